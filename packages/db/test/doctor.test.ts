import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { diagnose, open } from '../src/index.ts'
import { filledDirectory, harm } from './damage.ts'
import { temporaryDirectory } from './temporary.ts'

describe('diagnose', () => {
  test('finds nothing in a whole directory, and changes nothing but its lock', async () => {
    const { directory } = await filledDirectory()
    const before = contents(directory)
    const { findings, checked } = await diagnose(directory)
    expect(findings).toEqual([])
    expect(checked).toMatchObject({ records: 32, commits: 4 })
    expect(checked.objects).toBeGreaterThan(30)
    expect(contents(directory)).toEqual(before)
  })

  test('finds nothing after a crash either', async () => {
    const { directory } = await filledDirectory()
    writeFileSync(join(directory, 'door.json'), '{"pid":1,')
    writeFileSync(join(directory, 'repo.git/objects/pack/tmp_atoll_pack_1'), 'half')
    expect((await diagnose(directory)).findings).toEqual([])
  })

  test('looks at no directory that a node has open, and at none that is none', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const db = await open(directory)
    await expect(diagnose(directory, { lockWaitMs: 0 })).rejects.toMatchObject({ code: 'LOCKED' })
    await db.close()
    await expect(diagnose(temporaryDirectory())).rejects.toMatchObject({ code: 'MISSING' })
    const newer = temporaryDirectory()
    writeFileSync(join(newer, 'format'), '{"format":7}\n')
    await expect(diagnose(newer)).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
  })

  test.each<[what: string, check: string, file: string, harm: (path: string) => void]>([
    ['the format', 'format', 'format', path => writeFileSync(path, '{"formal":1}\n')],
    [
      'the key, into another good one',
      'identity',
      'identity.key',
      path => harm(path, text => text.replace(/.(?==?\n-)/, flipped)),
    ],
    [
      'the settings, into other good ones',
      'state',
      'state/node.json',
      path => harm(path, text => text.replace('barn', 'bard')),
    ],
    ['the config', 'config', 'config.json', path => writeFileSync(path, '{"name"')],
    ['HEAD', 'repository', 'repo.git/HEAD', path => writeFileSync(path, 'ref: refs/heads/maim\n')],
    [
      'git’s config',
      'repository',
      'repo.git/config',
      path => harm(path, text => text.replace('bare = true', 'bare = trud')),
    ],
    ['the branch', 'ref', 'repo.git/refs/heads/main', path => writeFileSync(path, '0123\n')],
    ['the branch, by loss', 'ref', 'repo.git/refs/heads/main', path => rmSync(path)],
    ['packed refs', 'ref', 'repo.git/packed-refs', path => writeFileSync(path, 'nonsense\n')],
  ])('finds damage of %s', async (_what, check, file, damage) => {
    const { directory } = await filledDirectory()
    damage(join(directory, file))
    const { findings } = await diagnose(directory)
    expect(findings[0]).toMatchObject({ check, file: join(directory, file) })
    expect(findings[0]?.repair).toMatch(/atoll doctor|by hand/)
  })

  test('finds what a ref leads to and is not there', async () => {
    const { directory } = await filledDirectory()
    const packs = join(directory, 'repo.git/objects/pack')
    const [smallest] = readdirSync(packs)
      .filter(name => name.endsWith('.pack'))
      .sort((a, b) => statSync(join(packs, a)).size - statSync(join(packs, b)).size)
    for (const extension of ['.pack', '.idx'])
      rmSync(join(packs, smallest!.replace('.pack', extension)), { force: true })
    const { findings } = await diagnose(directory)
    expect(findings.map(({ check }) => check)).toContain('graph')
  })
})

function flipped(character: string): string {
  return character === 'A' ? 'B' : 'A'
}

/** Every file but those of the lock. */
function contents(directory: string): Record<string, string> {
  const byPath: Record<string, string> = {}
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name)
    if (name.startsWith('state/lock') || name === 'state/pid' || !existsSync(path) || statSync(path).isDirectory())
      continue
    byPath[name] = readFileSync(path, 'latin1')
  }
  return byPath
}
