/**
 * Merge scripts in a thread of their own: a script may take a second of steps, and the event loop is not its to take.
 *
 *     to the thread    { id, type: 'run', run } or { id, type: 'check', source }
 *     from the thread  { id, outcome } or { id, error }
 *
 * A thread that does not answer for a minute is killed. That says nothing about the script, whose limits are counted in steps:
 * the call rejects, nothing is decided, and whoever wanted to merge tries again later.
 */
import { Worker } from 'node:worker_threads'
import { AtollError, assert, canonicalJson, invalid, type ScriptOutcome, type ScriptRun } from '@atolldb/core'
import { LRUCache } from 'lru-cache'
import type { ScriptEngine } from './script-engine.ts'

const ANSWER_TIMEOUT_MS = 60_000
/** Enough for the deepest calls that the engine allows, with room to spare. */
const THREAD_STACK_MB = 32
const REMEMBERED_BYTES = 4 * 1024 * 1024

export type ScriptTask =
  | { readonly id: number; readonly type: 'run'; readonly run: ScriptRun }
  | { readonly id: number; readonly type: 'check'; readonly source: string }

export type ScriptAnswer =
  { readonly id: number; readonly outcome: ScriptOutcome } | { readonly id: number; readonly error: string }

type Question = { readonly type: 'run'; readonly run: ScriptRun } | { readonly type: 'check'; readonly source: string }

export class ScriptSandbox {
  readonly #inThread: boolean
  /** A merge is computed when it arrives and again when it is adopted. */
  readonly #known = new LRUCache<string, ScriptOutcome>({
    maxSize: REMEMBERED_BYTES,
    sizeCalculation: (outcome, key) =>
      64 + 2 * key.length + ('result' in outcome ? 2 * (outcome.result?.length ?? 0) : 0),
  })
  #engine: Promise<ScriptEngine> | undefined
  #thread: ScriptThread | undefined
  #isClosed = false

  constructor({ inThread }: { readonly inThread: boolean }) {
    this.#inThread = inThread
  }

  /** @throws UNAVAILABLE, CLOSED */
  async run(run: ScriptRun): Promise<ScriptOutcome> {
    const key = canonicalJson([run.source, run.base ?? null, ...run.versions.map(version => version ?? null)], Infinity)
    let outcome = this.#known.get(key)
    if (outcome === undefined) {
      outcome = await this.#ask({ type: 'run', run })
      this.#known.set(key, outcome)
    }
    return outcome
  }

  /** Is it an expression whose value is a function? @throws INVALID, UNAVAILABLE, CLOSED */
  async check(source: string): Promise<void> {
    const outcome = await this.#ask({ type: 'check', source })
    if ('failure' in outcome) throw invalid('script', outcome.message)
  }

  async #ask(question: Question): Promise<ScriptOutcome> {
    if (this.#isClosed) throw new AtollError('CLOSED', 'the database is closed', { what: 'database' })
    if (!this.#inThread) {
      this.#engine ??= import('./script-engine.ts').then(({ loadScriptEngine }) => loadScriptEngine())
      const engine = await this.#engine
      return question.type === 'run' ? engine.run(question.run) : engine.check(question.source)
    }
    if (this.#thread?.hasEnded !== false) this.#thread = new ScriptThread()
    return this.#thread.ask(question)
  }

  /** Ends the thread; calls under way reject. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#thread?.end(new AtollError('CLOSED', 'the database is closed', { what: 'database' }))
  }
}

interface Waiting {
  readonly resolve: (outcome: ScriptOutcome) => void
  readonly reject: (error: Error) => void
}

class ScriptThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #watchdog: NodeJS.Timeout | undefined
  #hasEnded = false

  constructor() {
    this.#worker = new Worker(new URL('script-worker.js', import.meta.url), {
      // Flags of the process (its loaders, its conditions) are not for compiled code.
      execArgv: [],
      resourceLimits: { stackSizeMb: THREAD_STACK_MB },
    })
    // An idle thread keeps no process alive.
    this.#worker.unref()
    this.#worker.on('message', (answer: ScriptAnswer) => this.#answered(answer))
    this.#worker.on('error', error => void this.end(unavailable(error.message)))
    this.#worker.on('exit', code => void this.end(unavailable(`it ended with ${code}`)))
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  ask(question: Question): Promise<ScriptOutcome> {
    assert(!this.#hasEnded, 'the thread takes questions')
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#worker.ref()
      this.#watchdog ??= this.#watch()
      this.#worker.postMessage({ id, ...question } satisfies ScriptTask)
    })
  }

  #watch(): NodeJS.Timeout {
    return setTimeout(() => void this.end(unavailable(`no answer within ${ANSWER_TIMEOUT_MS} ms`)), ANSWER_TIMEOUT_MS)
  }

  #answered(answer: ScriptAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    clearTimeout(this.#watchdog)
    this.#watchdog = this.#waiting.size > 0 ? this.#watch() : undefined
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('error' in answer) waiting?.reject(unavailable(answer.error))
    else waiting?.resolve(answer.outcome)
  }

  async end(reason: Error): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    clearTimeout(this.#watchdog)
    for (const { reject } of this.#waiting.values()) reject(reason)
    this.#waiting.clear()
    await this.#worker.terminate()
  }
}

function unavailable(reason: string): AtollError<'UNAVAILABLE'> {
  const what = 'sandbox of merge scripts'
  return new AtollError('UNAVAILABLE', `${what}: ${reason}`, { what, reason })
}
