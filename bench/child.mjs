import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Runs `children/<name>.mjs` in a process of its own, which `answer`s one input with one result: for measures of memory, and of
 * what a fresh process does.
 */
export async function inChild(name, input) {
  const program = fileURLToPath(new URL(`children/${name}.mjs`, import.meta.url))
  const child = fork(program, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`${name} ended with exit code ${code}`)))
      child.once('message', ({ result, error }) => {
        if (error === undefined) resolve(result)
        else reject(new Error(error))
      })
      child.send(input)
    })
  } finally {
    process.off('exit', kill)
  }
}

/** In the child: does the work for the input that comes, and ends. */
export function answer(work) {
  process.once('disconnect', () => process.exit(0))
  process.once('message', input => {
    void work(input)
      .then(
        result => ({ result }),
        error => ({ error: error.stack }),
      )
      .then(reply => process.send(reply, () => process.exit(0)))
  })
}
