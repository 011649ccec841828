import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SeededRandom } from '@atolldb/testkit'
import { open } from 'atolldb'
import { expect, onTestFinished } from 'vitest'
import { letRun, loadProgram, readLog } from './killing.ts'

const teller = fileURLToPath(new URL('./feed-teller.mjs', import.meta.url))

type TellerLine =
  | readonly ['open']
  | readonly ['try' | 'ack', number]
  | readonly ['told', collection: string, id: string, value: number, cursor: string]
type Told = Extract<TellerLine, readonly ['told', ...unknown[]]>

/**
 * A node that follows its own feed is killed with SIGKILL at random moments, and goes on from the cursor that it was told
 * last: it misses nothing, and is told everything in the order in which it was written; only what had waited to be sealed may be
 * told again in the next life. A cursor from before all kills still works in the end.
 */
export async function killWhoFollows(seed: number, kills: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-feed-kills-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  const load = (life: number) => loadProgram(teller, [data, join(directory, `log-${life}`)])
  const random = new SeededRandom(`feed ${seed}`)
  const lives: Told[][] = []
  const acknowledged = new Set<number>()
  let since = '0'
  let next = 0
  let nextNode = await load(0)
  for (let life = 0; life < kills; life++) {
    const log = join(directory, `log-${life}`)
    const node = nextNode
    const exited = once(node, 'exit')
    node.stdin?.write(`${JSON.stringify({ since, next })}\n`)
    const loading = load(life + 1)
    loading.catch(() => undefined)
    if (random.next() < 0.1) await delay(random.next() * 100)
    else await letRun(log, random.next() * 300)
    node.kill('SIGKILL')
    await exited
    const lines = readLog<TellerLine>(log)
    for (const line of lines) {
      if (line[0] === 'try') next = line[1] + 1
      if (line[0] === 'ack') acknowledged.add(line[1])
    }
    lives.push(lines.filter(line => line[0] === 'told'))
    since = lives.at(-1)!.at(-1)?.[4] ?? since
    nextNode = await loading
  }
  nextNode.kill('SIGKILL')

  const db = await open(data, { lockWaitMs: 10_000 })
  onTestFinished(() => db.close())
  const toldSince = async (cursor: string): Promise<Told[]> => {
    const told: Told[] = []
    for await (const change of db.changes({ since: cursor, live: false }))
      told.push(['told', change.collection, change.id, change.value as number, change.cursor])
    return told
  }
  lives.push(await toldSince(since))
  const written: number[] = []
  for await (const [, n] of db.list<number>('numbers').entries()) written.push(n)
  expect([...acknowledged].filter(n => !written.includes(n))).toEqual([])
  expect(written.length).toBeGreaterThan(kills * 5)

  let last = -1
  for (const told of lives) {
    const numbers = valuesOf(told, 'numbers')
    const [first = last + 1] = numbers
    // Nothing is left out: neither where one life took over from another, nor within one.
    expect(written.filter(n => n > last && n < first)).toEqual([])
    const places = numbers.map(n => written.indexOf(n))
    expect(places.filter((place, i) => place < 0 || (i > 0 && place > places[i - 1]! + 1))).toEqual([])
    expectOnward(places)
    for (const id of new Set(told.map(([, , recordId]) => recordId)))
      expectOnward(
        valuesOf(
          told.filter(change => change[2] === id),
          'records',
        ),
      )
    last = Math.max(last, ...numbers)
  }
  expect(last).toBe(written.at(-1))
  const everything = lives.flat()
  for await (const [id, value] of db.object<number>('records').entries())
    expect(everything.findLast(change => change[1] === 'records' && change[2] === id)?.[3]).toBe(value)

  const early = everything.find(([, collection]) => collection === 'numbers')!
  const sinceEarly = valuesOf(await toldSince(early[4]), 'numbers')
  expect(sinceEarly.filter(n => n > early[3])).toEqual(written.filter(n => n > early[3]))
}

/**
 * Each after the one before, but for one step back: what waits in the journal of a node that was killed may be in its commit
 * already, whose note was lost, and is told by both.
 */
function expectOnward(told: readonly number[]): void {
  const stepsBack = told.filter((value, i) => i > 0 && value <= told[i - 1]!)
  expect(stepsBack.length, told.join(' ')).toBeLessThanOrEqual(1)
}

function valuesOf(told: readonly Told[], collection: string): number[] {
  return told.filter(change => change[1] === collection).map(([, , , value]) => value)
}
