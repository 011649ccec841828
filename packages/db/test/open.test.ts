import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { type Database, open, type OpenOptions } from '../src/index.ts'
import { temporaryDirectory } from './temporary.ts'

async function filled(directory = join(temporaryDirectory(), 'data')): Promise<string> {
  const db = await open(directory)
  await db.object('farms').put('north', { crop: 'rye' })
  await db.close()
  return directory
}

async function expectFilled(directory: string): Promise<void> {
  const db = await open(directory)
  expect(await db.object('farms').get('north')).toEqual({ crop: 'rye' })
  await db.close()
}

/** Every file of a directory, by its path. */
function contents(directory: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }))
    if (statSync(join(directory, name)).isFile()) files[name] = readFileSync(join(directory, name), 'base64')
  return files
}

describe('a directory that is in use', () => {
  test('is LOCKED, by whom it says, and free again after close', async () => {
    const directory = await filled()
    const db = await open(directory)
    writeFileSync(join(directory, 'door.json'), JSON.stringify({ url: 'http://127.0.0.1:1' }))
    await expect(open(directory, { lockWaitMs: 60 })).rejects.toMatchObject({
      code: 'LOCKED',
      data: { directory, pid: process.pid, door: 'http://127.0.0.1:1' },
    })
    await db.object('farms').put('south', 1)
    await db.close()
    await expectFilled(directory)
  })

  test('is waited for', async () => {
    const directory = await filled()
    const db = await open(directory)
    const second = open(directory, { lockWaitMs: 10_000 })
    await db.close()
    await (await second).close()
  })

  test('by another process names that, and is free once it is dead', async () => {
    const directory = await filled()
    const lock = join(directory, 'state', 'lock')
    const child = spawn(
      process.execPath,
      [
        '-e',
        `const { ClassicLevel } = require('classic-level')
         new ClassicLevel(process.argv[1]).open().then(() => console.log('locked'))
         setInterval(() => undefined, 1000)`,
        lock,
      ],
      { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await once(child.stdout, 'data')
    writeFileSync(join(directory, 'state', 'pid'), `${child.pid}\n`)
    await expect(open(directory, { lockWaitMs: 0 })).rejects.toMatchObject({ code: 'LOCKED', data: { pid: child.pid } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await expectFilled(directory)
  })
})

describe('a directory that cannot be used', () => {
  test('of a newer version is NEWER_FORMAT, and left alone', async () => {
    const directory = await filled()
    writeFileSync(join(directory, 'format'), '{"format":2}\n')
    const before = contents(directory)
    await expect(open(directory)).rejects.toMatchObject({ code: 'NEWER_FORMAT', data: { found: 2, supported: 1 } })
    expect(contents(directory)).toEqual(before)
  })

  test.each(['', '{}', '{"format":"1"}', '{"format":0}', 'null'])('with the format file %j is CORRUPT', async text => {
    const directory = await filled()
    writeFileSync(join(directory, 'format'), text)
    await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  test('is NOT_ACCESSIBLE where a file stands, above it too, or somebody else’s files', async () => {
    const parent = temporaryDirectory()
    writeFileSync(join(parent, 'file'), 'precious')
    await expect(open(join(parent, 'file'))).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
    await expect(open(join(parent, 'file', 'below'))).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
    await expect(open(parent)).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
    expect(contents(parent)).toEqual({ file: Buffer.from('precious').toString('base64') })
  })

  test.each(['journal', 'state'])('is NOT_ACCESSIBLE where a file stands for its %s', async part => {
    const directory = await filled()
    rmSync(join(directory, part), { recursive: true })
    writeFileSync(join(directory, part), 'a file')
    await expect(open(directory)).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
  })

  test.skipIf(process.getuid?.() === 0)('is NOT_ACCESSIBLE without permission', async () => {
    const directory = await filled()
    chmodSync(directory, 0o000)
    await expect(open(directory)).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
    chmodSync(directory, 0o755)
    await expectFilled(directory)
  })
})

describe('damage', () => {
  test.each([
    ['the identity', 'identity.key', 'not a key'],
    ['the settings', 'state/node.json', '{"name": 7}'],
    ['main', 'repo.git/refs/heads/main', 'not a commit\n'],
  ])('of %s is CORRUPT, names the file and loses nothing', async (_, file, text) => {
    const directory = await filled()
    const good = readFileSync(join(directory, file))
    writeFileSync(join(directory, file), text)
    await expect(open(directory)).rejects.toMatchObject({
      code: 'CORRUPT',
      data: { file: expect.stringContaining(join(directory, file)) },
    })
    writeFileSync(join(directory, file), good)
    await expectFilled(directory)
  })

  test('of a pack is CORRUPT where it is needed, and the lock is let go', async () => {
    const directory = await filled()
    const packs = join(directory, 'repo.git', 'objects', 'pack')
    const good = contents(packs)
    for (const name of readdirSync(packs).filter(each => each.endsWith('.pack'))) {
      const path = join(packs, name)
      const bytes = readFileSync(path)
      chmodSync(path, 0o644)
      for (let at = 12; at < bytes.length - 20; at += 7) bytes[at]! ^= 0xff
      writeFileSync(path, bytes)
    }
    await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
    for (const [name, text] of Object.entries(good)) writeFileSync(join(packs, name), Buffer.from(text, 'base64'))
    await expectFilled(directory)
  })

  test('that a running node meets is CORRUPT, and names what mends it', async () => {
    const directory = await filled()
    const db = await open(directory)
    await db.object('farms').put('south', { crop: 'oats' })
    // A pack beyond 64 KiB is not kept in memory as it was written.
    await db.object('farms').put('north', { photo: randomBytes(96 * 1024).toString('base64') })
    const { commit } = await db.flush()
    const packs = join(directory, 'repo.git', 'objects', 'pack')
    for (const name of readdirSync(packs).filter(each => each.endsWith('.pack'))) {
      const bytes = readFileSync(join(packs, name))
      chmodSync(join(packs, name), 0o644)
      writeFileSync(join(packs, name), bytes.fill(0xff, 12, bytes.length - 20))
    }
    const damage = {
      code: 'CORRUPT',
      data: { file: expect.stringContaining(packs), repair: 'atoll doctor --repair' },
    }
    await expect(db.at(commit).then(then => then.object('farms').get('north'))).rejects.toMatchObject(damage)
    await expect(db.compact()).rejects.toMatchObject(damage)
    // What needs nothing of it goes on.
    expect(await db.object('farms').get('south')).toEqual({ crop: 'oats' })
    await db.close()
  })

  test('of the journal is CORRUPT and changes nothing; its torn tail is no damage', async () => {
    const directory = await filled()
    const journal = join(directory, 'journal')
    const [name] = readdirSync(journal)
    const path = join(journal, name!)
    appendFileSync(path, Buffer.from([0, 0, 1, 0, 1, 2, 3]))
    await expectFilled(directory)
    const bytes = readFileSync(path)
    bytes[0]! ^= 1
    writeFileSync(path, bytes)
    await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT', data: { file: path } })
    expect(readFileSync(path)).toEqual(bytes)
    bytes[0]! ^= 1
    writeFileSync(path, bytes)
    await expectFilled(directory)
  })

  test('of the pid file or the lock’s files keeps nobody out', async () => {
    const directory = await filled()
    writeFileSync(join(directory, 'state', 'pid'), 'nonsense')
    for (const name of readdirSync(join(directory, 'state', 'lock')))
      writeFileSync(join(directory, 'state', 'lock', name), 'nonsense')
    await expectFilled(directory)
    rmSync(join(directory, 'state', 'pid'))
    mkdirSync(join(directory, 'state', 'pid'))
    await expectFilled(directory)
  })
})

describe('what is left', () => {
  test('of an interrupted first start is taken up', async () => {
    for (const part of ['state/node.json', 'format', 'view', 'state', 'journal']) {
      const directory = join(temporaryDirectory(), 'data')
      await (await open(directory)).close()
      rmSync(join(directory, part), { recursive: true })
      await filled(directory)
      await expectFilled(directory)
    }
  })

  test('when the settings are lost is the cluster, by its history', async () => {
    const directory = await filled()
    const first = await open(directory)
    const { cluster, node } = first
    await first.close()
    rmSync(join(directory, 'state'), { recursive: true })
    const again = await open(directory)
    expect([again.cluster, again.node]).toEqual([cluster, node])
    await again.close()
    await expect(open(directory, { cluster: '1'.repeat(40) })).rejects.toMatchObject({ code: 'OTHER_CLUSTER' })
  })
})

describe('options', () => {
  test.each<[string, unknown]>([
    ['a name that is none', { name: 'line\nbreak' }],
    ['a cluster that is none', { cluster: 'farm' }],
    ['an unknown durability', { durability: 'later' }],
    ['an unknown storage', { storage: 'tape' }],
    ['a negative delay', { seal: { maxDelayMs: -1 } }],
    ['a delay that is no number', { seal: { maxDelayMs: Number.NaN } }],
    ['a delay beyond timers', { seal: { maxDelayMs: 2 ** 31 } }],
    ['a wait that is none', { lockWaitMs: -1 }],
  ])('with %s are INVALID, and nothing is created', async (_, options) => {
    const parent = temporaryDirectory()
    await expect(open(join(parent, 'data'), options as OpenOptions)).rejects.toMatchObject({ code: 'INVALID' })
    expect(readdirSync(parent)).toEqual([])
  })

  test('in memory, nothing is left behind and nothing is locked', async () => {
    const parent = temporaryDirectory()
    const [a, b] = await Promise.all([open(parent, { storage: 'memory' }), open(parent, { storage: 'memory' })])
    await a.object('farms').put('north', 1)
    expect(await b.object('farms').get('north')).toBeUndefined()
    expect(await a.object('farms').get('north')).toBe(1)
    await Promise.all([a.close(), b.close()])
    expect(readdirSync(parent)).toEqual([])
  })
})

describe('close', () => {
  test('under load lets what is under way end, and keeps what was acknowledged', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const db = await open(directory)
    const acknowledged: string[] = []
    let refused = 0
    const write = async (name: string): Promise<void> => {
      for (let i = 0; ; i++) {
        const id = `${name}${i}`
        try {
          await db.object('things').put(id, i)
          acknowledged.push(id)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CLOSED' })
          refused++
          return
        }
      }
    }
    const writers = ['a', 'b', 'c', 'd', 'e'].map(write)
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(200))
    await Promise.all([db.close(), db.close()])
    await Promise.all(writers)
    expect(refused).toBe(5)
    const again = await open(directory)
    expect((await again.object('things').getMany(acknowledged)).every(value => value !== undefined)).toBe(true)
    expect(await again.object('things').count()).toBe(acknowledged.length)
    expect((await again.status()).pending).toBe(0)
    await again.close()
  })

  test('refuses all that comes after, by CLOSED', async () => {
    const db = await open(join(temporaryDirectory(), 'data'))
    const farms = db.object('farms')
    await db.close()
    await db.close()
    const calls: ((open: Database) => unknown)[] = [
      () => farms.put('a', 1),
      () => farms.create('a', 1),
      () => farms.delete('a'),
      () => farms.get('a'),
      () => farms.getMany(['a']),
      () => farms.getRecord('a'),
      () => farms.count(),
      async () => farms.entries(),
      async () => farms.subscribe(() => undefined),
      () => db.list('list').insert(1),
      () => db.batch(tx => tx.object('farms').put('a', 1)),
      () => db.batch(tx => tx.object('farms').get('a')),
      () => db.collections(),
      () => db.flush(),
      () => db.status(),
      () => db.synced(),
      () => db.offline(),
      () => db.online(),
    ]
    for (const call of calls) await expect(call(db), String(call)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('while it is opened in vain lets go of everything', async () => {
    const directory = await filled()
    const settings = join(directory, 'state', 'node.json')
    const good = readFileSync(settings)
    writeFileSync(settings, 'broken')
    for (let i = 0; i < 3; i++) await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
    writeFileSync(settings, good)
    await expectFilled(directory)
  })
})
