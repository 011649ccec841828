import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { diffStates, type CommitId } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { open, type Database } from 'atolldb'
import { expect, onTestFinished } from 'vitest'
import { fsckProblems } from '../faults/strict-fsck.ts'
import { Model, type LogLine } from './model.ts'

/** The writer runs what `npm run build` made. */
const writer = fileURLToPath(new URL('./writer.mjs', import.meta.url))
/** Less than this proves nothing. */
export const MIN_ACKNOWLEDGED_PER_SECOND = 50
const VERIFY_EVERY = 2

/**
 * A node is killed with SIGKILL at random moments, while it starts too, and restarted on what it left: nothing acknowledged is
 * lost, nothing is halved, git is content.
 */
export async function killRepeatedly(seed: number, kills: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-sigkill-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  const random = mulberry32(seed)
  const model = new Model()
  let runningMs = 0
  let next = await loadWriter(data, join(directory, 'log-0'), seed)
  for (let kill = 1; kill <= kills; kill++) {
    const log = join(directory, `log-${kill - 1}`)
    const current = next
    const exited = once(current, 'exit')
    current.stdin?.write('go\n')
    // Modules of the next one load meanwhile.
    const loading = loadWriter(data, join(directory, `log-${kill}`), seed + kill)
    loading.catch(() => undefined)
    // One in ten dies while it starts; the others some time after.
    if (random() < 0.1) await delay(random() * 100)
    else runningMs += await letRun(log, random() * 250)
    current.kill('SIGKILL')
    await exited
    model.add(readLog(log))
    // Killed at its very first start it may have no repository yet, and then has promised nothing.
    if (model.acknowledged > 0 || existsSync(join(data, 'repo.git', 'HEAD'))) expect(fsckProblems(data)).toEqual([])
    if (kill % VERIFY_EVERY === 0 || kill === kills) await verify(data, model)
    next = await loading
  }
  next.kill('SIGKILL')
  const perSecond = (model.acknowledged / runningMs) * 1000
  // oxlint-disable-next-line no-console -- says what a run was worth, and how to repeat it
  console.log(`seed ${seed}: ${model.acknowledged} acknowledged writes, ${Math.round(perSecond)} a second`)
  expect(perSecond).toBeGreaterThan(MIN_ACKNOWLEDGED_PER_SECOND)
}

export function loadWriter(data: string, log: string, writerSeed: number): Promise<ChildProcess> {
  return loadProgram(writer, [data, log, String(writerSeed)])
}

/** Starts a program of this folder, which says when it is loaded and then waits for a line. */
export async function loadProgram(path: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`it ended with ${code} before it began; was \`npm run build\` run?`)
    }),
  ])
  return child
}

/** Lets it write for that long. Its log is a file, not a pipe: what it said must outlive it. */
export async function letRun(log: string, forMs: number): Promise<number> {
  while (readLog(log).length === 0) await delay(5)
  const started = performance.now()
  await delay(forMs)
  return performance.now() - started
}

/** What it said, or had said when its log was so long. */
export function readLog<Line = LogLine>(log: string, untilBytes = Infinity): Line[] {
  let text: string
  try {
    text = readFileSync(log).subarray(0, untilBytes).toString('utf8')
  } catch {
    return []
  }
  // The last line may have been cut short: then it was not said.
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Line)
}

export async function verify(data: string, model: Model): Promise<void> {
  const db = await open(data, { lockWaitMs: 10_000 })
  const all = new Map<string, string>()
  let commit: CommitId
  try {
    const found = {
      objects: await recordsOf(db, 'objects'),
      batches: await recordsOf(db, 'batches'),
      list: new Map(await collect(db.list<string>('list').entries())),
    }
    expect(model.problems(found)).toEqual([])
    expect(await db.list('list').count()).toBe(found.list.size)
    expect(await db.object('objects').count()).toBe(found.objects.size)
    commit = (await db.flush()).commit
    for (const [id, value] of found.objects) all.set(`objects/objects/${id}`, value)
    for (const [id, value] of found.batches) all.set(`objects/batches/${id}`, value)
    for (const [id, value] of found.list) all.set(`lists/list/${id}`, value)
  } finally {
    await db.close()
  }
  // Closed: a repository is one process's, and one object's in it, whose background work another would take for leftovers.
  expect(await stateOf(join(data, 'repo.git'), commit)).toEqual(all)
}

async function recordsOf(db: Database, name: string): Promise<Map<string, string>> {
  return new Map(await collect(db.object<string>(name).entries()))
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}

/** The users' records of a commit, read from the repository alone. */
async function stateOf(directory: string, commit: CommitId): Promise<Map<string, string>> {
  const repository = await Repository.open(directory)
  try {
    const { tree } = await repository.readCommit(commit)
    const records = new Map<string, string>()
    for await (const batch of diffStates(repository, undefined, tree))
      for (const { kind, collection, id, after } of batch) {
        if (collection.startsWith('.atoll.') || after === undefined) continue
        const bytes = after.bytes ?? (await repository.readBlob(after.version))
        records.set(`${kind}/${collection}/${id}`, JSON.parse(Buffer.from(bytes).toString('utf8')) as string)
      }
    return records
  } finally {
    await repository.close()
  }
}

/** Numbers in [0, 1), the same for the same seed. */
function mulberry32(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
