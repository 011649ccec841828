/** The thread of `script-sandbox.ts`: one script after the other. */
import { parentPort } from 'node:worker_threads'
import { assert } from '@atolldb/core'
import { loadScriptEngine } from './script-engine.ts'
import type { ScriptAnswer, ScriptTask } from './script-sandbox.ts'

assert(parentPort !== null, 'this runs in a thread')
const port = parentPort
const engine = loadScriptEngine()
let last: Promise<void> = Promise.resolve()

port.on('message', (task: ScriptTask) => {
  last = last.then(async () => port.postMessage(await answer(task)))
})

async function answer(task: ScriptTask): Promise<ScriptAnswer> {
  const { id } = task
  try {
    const scripts = await engine
    return { id, outcome: await (task.type === 'run' ? scripts.run(task.run) : scripts.check(task.source)) }
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) }
  }
}
