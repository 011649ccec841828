import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { open } from '../src/index.ts'
import { temporaryDirectory } from './temporary.ts'

async function filled(): Promise<{ directory: string; main: string }> {
  const directory = join(temporaryDirectory(), 'data')
  const db = await open(directory)
  await db.object('farms').put('north', { crop: 'rye' })
  const { commit } = await db.flush()
  await db.close()
  return { directory, main: commit }
}

const settingsOf = (directory: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(directory, 'state/node.json'), 'utf8')) as Record<string, unknown>

describe('what is lost is damage, and no new beginning', () => {
  test('a branch is put back to the commit that the view remembers', async () => {
    const { directory, main } = await filled()
    rmSync(join(directory, 'repo.git/refs/heads/main'))
    const db = await open(directory)
    expect((await db.status()).main).toBe(main)
    expect(await db.object('farms').get('north')).toEqual({ crop: 'rye' })
    await db.close()
    expect(
      execFileSync('git', ['-C', join(directory, 'repo.git'), 'rev-parse', 'main'])
        .toString()
        .trim(),
    ).toBe(main)
  })

  test('a branch that nothing remembers is CORRUPT', async () => {
    const { directory } = await filled()
    rmSync(join(directory, 'repo.git/refs/heads/main'))
    rmSync(join(directory, 'view'), { recursive: true })
    rmSync(join(directory, 'journal'), { recursive: true })
    await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  test('a repository that is gone is CORRUPT, and back it is as it was', async () => {
    const { directory } = await filled()
    renameSync(join(directory, 'repo.git'), join(directory, '../elsewhere.git'))
    await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(existsSync(join(directory, 'repo.git'))).toBe(false)
    renameSync(join(directory, '../elsewhere.git'), join(directory, 'repo.git'))
    const db = await open(directory)
    expect(await db.object('farms').get('north')).toEqual({ crop: 'rye' })
    await db.close()
  })

  test('a pack without its index is CORRUPT, and never MISSING', async () => {
    const { directory } = await filled()
    const packs = join(directory, 'repo.git/objects/pack')
    for (const name of readdirSync(packs)) if (name.endsWith('.idx')) rmSync(join(packs, name))
    await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  test('an identity is not made anew', async () => {
    const { directory } = await filled()
    rmSync(join(directory, 'identity.key'))
    await expect(open(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(existsSync(join(directory, 'identity.key'))).toBe(false)
  })
})

describe('a node that joins', () => {
  const bootstrap = ['/ip4/127.0.0.1/tcp/1']

  test('founds no cluster when it is opened without a network before it met its own', async () => {
    const directory = join(temporaryDirectory(), 'data')
    await (await open(directory, { bootstrap })).close()
    const db = await open(directory)
    expect(db.cluster).toBeUndefined()
    await db.object('farms').put('north', 1)
    await expect(db.flush()).rejects.toMatchObject({ code: 'NO_CLUSTER' })
    await db.close()
    expect(settingsOf(directory)).toMatchObject({ cluster: null, bootstrap })
  })

  test('goes on with the addresses that it was last opened with, where it is asked to', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const listen = ['/ip4/127.0.0.1/tcp/0']
    await (await open(directory, { listen, bootstrap })).close()
    const alone = await open(directory)
    expect((await alone.status()).addresses).toEqual([])
    await alone.close()
    const resumed = await open(directory, { resume: true })
    const { addresses, peers } = await resumed.status()
    expect(addresses).toHaveLength(1)
    expect(peers.map(peer => peer.address)).toEqual(bootstrap)
    await resumed.close()
  })
})
