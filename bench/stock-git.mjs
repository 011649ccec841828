import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

const environment = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }

/** Runs stock git as it comes; `input` and `output` are files to read stdin from and to write stdout to. */
export async function git(args, { input, output } = {}) {
  const descriptors = [
    input === undefined ? 'ignore' : openSync(input, 'r'),
    output === undefined ? 'ignore' : openSync(output, 'w'),
    'pipe',
  ]
  const child = spawn('git', args, { env: environment, stdio: descriptors })
  for (const descriptor of descriptors) if (typeof descriptor === 'number') closeSync(descriptor)
  await succeeded(child, args)
}

/** What stock git prints, given a text on stdin. */
export async function gitOutput(args, text = '') {
  const child = spawn('git', args, { env: environment, stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', chunk => (output += chunk))
  // A git that ends early says why with its exit code.
  child.stdin.on('error', () => {}).end(text)
  await succeeded(child, args)
  return output
}

function succeeded(child, args) {
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => (errors += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => {
      if (code === 0) resolve()
      else reject(new Error(`git ${args.join(' ')} ended with exit code ${code}\n${errors}`))
    })
  })
}
