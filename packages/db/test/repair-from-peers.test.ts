import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Database, open, type OpenOptions, repair } from '../src/index.ts'
import { fsck, git } from './replication/nodes.ts'
import { temporaryDirectory } from './temporary.ts'

/** A node whose disk went bad takes what it lost from its peers, over libp2p on loopback. */

const LISTEN = ['/ip4/127.0.0.1/tcp/0']
const QUICK = { durability: 'os', seal: { maxDelayMs: 20 } } as const

async function opened(directory: string, options: OpenOptions): Promise<Database> {
  const db = await open(directory, { ...QUICK, ...options })
  onTestFinished(() => db.close())
  return db
}

/** Two nodes that wrote side by side and are in step, below one directory; the second is closed. */
interface Pair {
  readonly healthy: Database
  readonly parent: string
  readonly main: string
}

async function pairIn(parent: string): Promise<Pair> {
  const healthy = await open(join(parent, 'healthy'), { ...QUICK, listen: LISTEN })
  const bad = await open(join(parent, 'bad'), { ...QUICK, bootstrap: (await healthy.status()).addresses })
  await bad.synced()
  for (let i = 0; i < 5; i++) {
    await healthy.object('farms').put(`h${i}`, { number: i })
    await bad.object('farms').put(`b${i}`, { number: i })
    await Promise.all([healthy.flush(), bad.flush()])
  }
  await bad.list('readings').insert({ t: 1 })
  const { main } = await bad.synced()
  await bad.close()
  return { healthy, parent, main }
}

/** One of them for all tests but those that close the healthy one, or write to it. */
let shared: Pair
beforeAll(async () => {
  shared = await pairIn(mkdtempSync(join(tmpdir(), 'atoll-pair-')))
})
afterAll(async () => {
  await shared.healthy.close()
  rmSync(shared.parent, { recursive: true, force: true })
})

/** A copy of the second node for one test to spoil. */
function copyOfSecond(): { directory: string; main: string } {
  const directory = join(temporaryDirectory(), 'bad')
  cpSync(join(shared.parent, 'bad'), directory, { recursive: true })
  return { directory, main: shared.main }
}

async function ownPair(): Promise<{ healthy: Database; directory: string; main: string }> {
  const { healthy, parent, main } = await pairIn(temporaryDirectory())
  onTestFinished(() => healthy.close())
  return { healthy, directory: join(parent, 'bad'), main }
}

function packs(directory: string, extension: string): string[] {
  const path = join(directory, 'repo.git/objects/pack')
  return readdirSync(path)
    .filter(name => name.endsWith(extension))
    .toSorted()
    .map(name => join(path, name))
}

/** Every pack gets a flipped bit in the middle of its objects. */
function flipBits(directory: string): void {
  for (const pack of packs(directory, '.pack')) {
    const bytes = readFileSync(pack)
    bytes[Math.floor(bytes.length / 2)]! ^= 0x10
    chmodSync(pack, 0o644)
    writeFileSync(pack, bytes)
  }
}

function idsOf(index: string): string {
  return execFileSync('git', ['show-index'], { input: readFileSync(index), encoding: 'utf8' })
}

async function expectWhole(directory: string, main: string): Promise<void> {
  fsck({ directory })
  expect(git({ directory }, 'rev-parse', 'main').trim()).toBe(main)
  const db = await opened(directory, {})
  expect((await db.status()).main).toBe(main)
  expect(await db.object('farms').count()).toBe(10)
  expect(await db.object('farms').get('b4')).toEqual({ number: 4 })
  expect(await db.list('readings').count()).toBe(1)
  await db.close()
}

describe('repair from peers', () => {
  test('fetches what is damaged from the peers that the node remembers', async () => {
    const { directory, main } = copyOfSecond()
    flipBits(directory)
    const { after, lost, done } = await repair(directory)
    expect({ findings: after.findings, lost }).toEqual({ findings: [], lost: [] })
    expect(done.join('\n')).toMatch(/put back from peers/)
    expect(readdirSync(directory)).not.toContain('from-peers')
    await expectWhole(directory, main)
  })

  test('fetches all of it where no pack is left, the view neither', async () => {
    const { directory, main } = copyOfSecond()
    for (const file of packs(directory, '')) rmSync(file, { force: true })
    rmSync(join(directory, 'view'), { recursive: true })
    const { after, lost } = await repair(directory)
    expect({ findings: after.findings, lost }).toEqual({ findings: [], lost: [] })
    await expectWhole(directory, main)
  })

  test('keeps what only the node itself had, in its packs and in its journal', async () => {
    const { directory } = copyOfSecond()
    const alone = await opened(directory, {})
    await alone.object('farms').put('mine', { number: 7 })
    await alone.flush()
    const last = git({ directory }, 'rev-parse', 'main').trim()
    await alone.object('farms').put('pending', { number: 8 })
    // In the same turn of the loop, before it can be sealed.
    const copy = `${directory}-copy`
    cpSync(directory, copy, { recursive: true })
    await alone.close()
    const [holding] = packs(copy, '.idx').filter(index => idsOf(index).includes(last))
    for (const file of packs(copy, '')) if (!file.startsWith(holding!.slice(0, -4))) rmSync(file, { force: true })
    const { after, lost } = await repair(copy)
    expect({ findings: after.findings, lost }).toEqual({ findings: [], lost: [] })
    fsck({ directory: copy })
    const db = await opened(copy, {})
    expect(await db.object('farms').get('mine')).toEqual({ number: 7 })
    expect(await db.object('farms').get('pending')).toEqual({ number: 8 })
    expect(await db.object('farms').count()).toBe(12)
  })

  test('makes a lost merge again of what each side still has', async () => {
    const { healthy, directory } = await ownPair()
    const alone = await opened(directory, {})
    await alone.object('farms').put('mine', { number: 7 })
    await alone.close()
    await healthy.object('farms').put('theirs', { number: 8 })
    await healthy.close()
    const other = join(directory, '../healthy')
    // What the other node is put back to later: without what this one wrote, and without the merge.
    cpSync(other, `${other}-backup`, { recursive: true })
    const met = await opened(other, { listen: LISTEN })
    const bad = await opened(directory, { bootstrap: (await met.status()).addresses })
    const { main } = await bad.synced()
    await Promise.all([bad.close(), met.close()])
    const [holding] = packs(directory, '.idx').filter(index => idsOf(index).includes(main))
    for (const extension of ['idx', 'pack']) rmSync(holding!.replace(/idx$/, extension), { force: true })
    const backup = await opened(`${other}-backup`, { listen: LISTEN })
    const { done, after } = await repair(directory, { bootstrap: (await backup.status()).addresses })
    expect(after.findings).toEqual([])
    expect(done.join('\n')).toMatch(/it is merged when the node opens/)
    const db = await opened(directory, {})
    expect((await db.status()).main).toBe(main)
    expect(await db.object('farms').getMany(['mine', 'theirs'])).toEqual([{ number: 7 }, { number: 8 }])
    fsck({ directory })
  })

  test('says so where nobody answers, and goes on where it stopped once somebody does', async () => {
    const { healthy, directory, main } = await ownPair()
    const [address] = (await healthy.status()).addresses
    await healthy.offline()
    for (const file of packs(directory, '')) rmSync(file, { force: true })
    rmSync(join(directory, 'view'), { recursive: true })
    const { after, lost } = await repair(directory, { peerWaitMs: 200 })
    expect(after.findings).not.toEqual([])
    expect(lost.join()).toMatch(/none of them answered/)
    // What a crash may leave of the fetch, damaged.
    mkdirSync(join(directory, 'from-peers'))
    writeFileSync(join(directory, 'from-peers/format'), 'half')
    await healthy.online()
    const mended = await repair(directory, { bootstrap: [address!] })
    expect(mended.after.findings).toEqual([])
    await expectWhole(directory, main)
  })

  test('asks nobody for a node that its operator took offline, and no address that is none', async () => {
    const { directory } = copyOfSecond()
    const db = await opened(directory, {})
    await db.offline()
    await db.close()
    for (const file of packs(directory, '')) rmSync(file, { force: true })
    rmSync(join(directory, 'view'), { recursive: true })
    const { done, after } = await repair(directory)
    expect(done.join()).not.toMatch(/peers/)
    expect(after.findings).not.toEqual([])
    await expect(repair(directory, { bootstrap: ['10.0.0.1:4001'] })).rejects.toMatchObject({ code: 'INVALID' })
  })
})

describe('repair from whatever stock git can fetch', () => {
  test.each<[what: string, address: (healthy: string, parent: string) => string]>([
    ['an address', healthy => `file://${healthy}`],
    [
      'a clone with a working tree',
      (healthy, parent) => {
        execFileSync('git', ['clone', '--quiet', healthy, join(parent, 'clone')])
        return join(parent, 'clone')
      },
    ],
  ])('%s', async (_what, address) => {
    const { directory, main } = copyOfSecond()
    flipBits(directory)
    const from = address(join(shared.parent, 'healthy/repo.git'), join(directory, '..'))
    const { after, lost, done } = await repair(directory, { from })
    expect({ findings: after.findings, lost }).toEqual({ findings: [], lost: [] })
    expect(done.join('\n')).not.toMatch(/peers/)
    expect(readdirSync(directory)).not.toContain('from-git')
    await expectWhole(directory, main)
  })

  test.each([
    ['/nowhere/at/all', 'MISSING'],
    ['file:///nowhere/at/all', 'UNAVAILABLE'],
    ['ext::touch /tmp/never', 'UNAVAILABLE'],
    ['nobody@localhost.invalid:farm.git', 'UNAVAILABLE'],
  ])('refuses %s, and changes nothing', async (from, code) => {
    const directory = join(temporaryDirectory(), 'data')
    await (await open(directory)).close()
    for (const file of packs(directory, '')) rmSync(file, { force: true })
    await expect(repair(directory, { from })).rejects.toMatchObject({ code })
    expect(readdirSync(directory)).not.toContain('damaged')
  })
})
