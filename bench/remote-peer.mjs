import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('peer.mjs', import.meta.url))

/** A node in a process of its own (peer.mjs); `call(name, arguments)` asks it for something. */
export async function startPeer(directory) {
  const child = fork(program, [directory], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const waitingById = new Map()
  let lastId = 0
  child.on('message', ({ id, result, error }) => {
    const waiting = waitingById.get(id)
    waitingById.delete(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error))
  })
  child.once('exit', code => {
    for (const { reject } of waitingById.values()) reject(new Error(`the peer ended with exit code ${code}`))
  })
  process.once('exit', () => child.kill('SIGKILL'))
  await new Promise((resolve, reject) => waitingById.set('ready', { resolve, reject }))

  const call = (name, rest = {}) =>
    new Promise((resolve, reject) => {
      const id = ++lastId
      waitingById.set(id, { resolve, reject })
      child.send({ id, call: name, ...rest })
    })
  const close = async () => {
    await call('close')
    if (child.exitCode === null) await once(child, 'exit')
  }
  return { call, close }
}
