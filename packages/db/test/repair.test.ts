import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diagnose, isAtollError, open, rebuild, repair, type Repair } from '../src/index.ts'
import { FARMS, fillWithPending, harm } from './damage.ts'
import { temporaryDirectory } from './temporary.ts'

/** Bit flips and truncation in every kind of file of a data directory; `ATOLL_DAMAGE_ROUNDS=20` runs more of them. */

let parent: string
let whole: string
beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'atoll-damage-'))
  whole = join(parent, 'whole')
  await fillWithPending(whole)
})
afterAll(() => rmSync(parent, { recursive: true, force: true }))

function damaged(change: (directory: string) => void): string {
  const directory = join(temporaryDirectory(), 'data')
  cpSync(whole, directory, { recursive: true })
  change(directory)
  return directory
}

/** Records that are not as they were written. */
async function wrongRecords(directory: string): Promise<string[]> {
  const db = await open(directory)
  try {
    const wrong: string[] = []
    for (let i = 0; i < FARMS; i++) {
      const crop = i === 0 ? 'oats' : 'rye'
      const found = JSON.stringify(await db.object('farms').get(`farm-${i}`))
      if (found !== JSON.stringify({ crop, number: i })) wrong.push(`farm-${i}: ${found}`)
    }
    if (JSON.stringify(await db.object('farms').get('pending')) !== '{"crop":"peas"}') wrong.push('pending')
    if (JSON.stringify(await db.object('farms').get('last')) !== '{"crop":"corn"}') wrong.push('last')
    if ((await db.list('readings').count()) !== 10) wrong.push('readings')
    await db.flush()
    return wrong
  } finally {
    await db.close()
  }
}

function fsck(directory: string): string {
  const { stdout, stderr } = spawnSync('git', ['-C', join(directory, 'repo.git'), 'fsck', '--strict', '--full'], {
    encoding: 'utf8',
  })
  return `${stdout}${stderr}`.replace(/^(dangling|notice|Checking).*\n?/gm, '')
}

const inDirectory = (path: string, pattern: RegExp) => (directory: string) =>
  readdirSync(join(directory, path))
    .filter(name => pattern.test(name))
    .toSorted()
    .map(name => join(directory, path, name))
const oneFile = (path: string) => (directory: string) => [join(directory, path)]

const kinds: readonly [what: string, files: (directory: string) => string[]][] = [
  ['format', oneFile('format')],
  ['state/node.json', oneFile('state/node.json')],
  ['the journal', inDirectory('journal', /\.log$/)],
  ['a pack', inDirectory('repo.git/objects/pack', /\.pack$/)],
  ['an index', inDirectory('repo.git/objects/pack', /\.idx$/)],
  ['the branch', oneFile('repo.git/refs/heads/main')],
  ['HEAD', oneFile('repo.git/HEAD')],
  ['config', oneFile('repo.git/config')],
  ['a table of the view', inDirectory('view', /\.ldb$/)],
  ['a log of the view', inDirectory('view', /\.log$/)],
  ['the manifest of the view', inDirectory('view', /^MANIFEST/)],
  ['CURRENT of the view', oneFile('view/CURRENT')],
]

/** Flips, and as many truncations, of each kind of file; each round is another one. */
const ROUNDS = Number(process.env['ATOLL_DAMAGE_ROUNDS'] ?? 1)

describe.each(kinds)('damage of %s', (what, filesOf) => {
  test.each(Array.from({ length: ROUNDS * 2 }, (_, round) => round))('round %i', async round => {
    const random = numbers(`${what} ${round}`)
    const change = (directory: string): void => {
      const files = filesOf(directory)
      const file = files[random() % files.length]!
      chmodSync(file, 0o644)
      if (round < ROUNDS) flip(file, random)
      else truncateSync(file, random() % statSync(file).size)
    }
    const directory = damaged(change)
    const copy = join(temporaryDirectory(), 'data')
    cpSync(directory, copy, { recursive: true })
    // Opened as it is, it is whole or says what is not.
    try {
      const wrong = await wrongRecords(copy)
      // The end of a journal that nothing behind it vouches for may be torn as well: nobody can tell.
      expect(what === 'the journal' ? withoutEnd(wrong) : wrong).toEqual([])
    } catch (error) {
      if (!isAtollError(error)) throw error
      expect(error.code).toBe('CORRUPT')
      expect(error.data).toMatchObject({
        file: expect.stringContaining(copy),
        repair: expect.stringContaining('atoll'),
      })
      expect((await diagnose(directory)).findings).not.toEqual([])
    }
    const { after, lost } = await repair(directory)
    if (after.findings.length > 0) {
      // What only a peer can have: it is named, and put back from there.
      expect(after.findings.map(({ check }) => check)).toEqual(['graph'])
      expect(lost).not.toEqual([])
      expect((await repair(directory, { from: whole })).after.findings).toEqual([])
    }
    expect(fsck(directory)).toBe('')
    const wrong = await wrongRecords(directory)
    if (what !== 'the journal') expect(wrong).toEqual([])
    else if (withoutEnd(wrong).length > 0) expect(lost.join()).toMatch(/journal/)
  })
})

function withoutEnd(wrong: readonly string[]): string[] {
  return wrong.includes('last') ? wrong.filter(name => name !== 'last' && name !== 'pending') : [...wrong]
}

describe('repair', () => {
  test('does nothing where nothing is damaged', async () => {
    const directory = damaged(() => undefined)
    expect(await repair(directory)).toMatchObject({ done: [], lost: [] })
  })

  test('takes what is missing from a clone of another node', async () => {
    const directory = damaged(found => {
      for (const file of inDirectory('repo.git/objects/pack', /./)(found)) rmSync(file, { force: true })
      rmSync(join(found, 'view'), { recursive: true })
    })
    expect((await repair(directory)).after.findings).not.toEqual([])
    const { after, lost } = await repair(directory, { from: whole })
    expect({ findings: after.findings, lost }).toEqual({ findings: [], lost: [] })
    expect(fsck(directory)).toBe('')
    expect(await wrongRecords(directory)).toEqual([])
  })

  test('makes objects of the latest state again from the view', async () => {
    const directory = damaged(found => {
      const [largest] = inDirectory(
        'repo.git/objects/pack',
        /\.pack$/,
      )(found).toSorted((a, b) => statSync(b).size - statSync(a).size)
      harm(largest!, text => text.replaceAll('"crop":"rye","number":7', '"crop":"rye","number":8'))
    })
    const { lost, after } = await repair(directory)
    expect({ lost, findings: after.findings }).toEqual({ lost: [], findings: [] })
    expect(fsck(directory)).toBe('')
    expect(await wrongRecords(directory)).toEqual([])
  })

  test('makes a new node of a directory whose key is damaged, when it is told to', async () => {
    const directory = damaged(found => writeFileSync(join(found, 'identity.key'), 'no key'))
    expect((await repair(directory)).after.findings).toMatchObject([{ check: 'identity' }])
    const mended: Repair = await repair(directory, { newIdentity: true })
    expect(mended.after.findings).toEqual([])
    expect(readFileSync(join(directory, 'damaged/identity.key'), 'utf8')).toBe('no key')
    expect(await wrongRecords(directory)).toEqual([])
  })

  test('keeps the intact entries of a journal and names those that are lost', async () => {
    const directory = damaged(found => {
      const [segment] = inDirectory('journal', /\.log$/)(found)
      harm(segment!, text => text.replace('"crop":"peas"', '"crop":"pees"'))
    })
    const { lost } = await repair(directory)
    expect(lost.join()).toMatch(/journal/)
    expect(await wrongRecords(directory)).toEqual(['pending'])
    expect(readdirSync(join(directory, 'damaged/journal'))).toHaveLength(1)
  })
})

test('rebuild throws the view away, and the node makes it anew', async () => {
  const directory = damaged(() => undefined)
  await rebuild(directory)
  expect(readdirSync(directory)).not.toContain('view')
  expect(await wrongRecords(directory)).toEqual([])
})

function flip(file: string, random: () => number): void {
  const bytes = readFileSync(file)
  const at = random() % bytes.length
  bytes[at]! ^= 1 << (random() % 8)
  writeFileSync(file, bytes)
}

/** Numbers that follow from a text (FNV-1a, xorshift). */
function numbers(seed: string): () => number {
  let state = 2_166_136_261
  for (const character of seed) state = Math.imul(state ^ character.charCodeAt(0), 16_777_619)
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
