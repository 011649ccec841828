import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
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
import { expect } from 'vitest'
import { diagnose, isAtollError, open, repair } from '../src/index.ts'
import { FARMS } from './damage.ts'

export type Harm = (file: string, random: () => number) => void

export const flip: Harm = (file, random) => {
  const bytes = readFileSync(file)
  const at = random() % bytes.length
  bytes[at]! ^= 1 << (random() % 8)
  writeFileSync(file, bytes)
}

export const truncate: Harm = (file, random) => truncateSync(file, random() % statSync(file).size)

/** Records that are not as they were written. */
export async function wrongRecords(directory: string): Promise<string[]> {
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

export function fsck(directory: string): string {
  const { stdout, stderr } = spawnSync('git', ['-C', join(directory, 'repo.git'), 'fsck', '--strict', '--full'], {
    encoding: 'utf8',
  })
  return `${stdout}${stderr}`.replace(/^(dangling|notice|Checking).*\n?/gm, '')
}

export const inDirectory = (path: string, pattern: RegExp) => (directory: string) =>
  readdirSync(join(directory, path))
    .filter(name => pattern.test(name))
    .toSorted()
    .map(name => join(directory, path, name))
const oneFile = (path: string) => (directory: string) => [join(directory, path)]

interface Kind {
  readonly files: (directory: string) => string[]
  /** Makes such files where a node of ours seldom has any. */
  readonly prepare?: (directory: string) => void
}

const kindByName = new Map<string, Kind>([
  ['format', { files: oneFile('format') }],
  ['identity.key', { files: oneFile('identity.key') }],
  ['state/node.json', { files: oneFile('state/node.json') }],
  ['the journal', { files: inDirectory('journal', /\.log$/) }],
  ['a pack', { files: inDirectory('repo.git/objects/pack', /\.pack$/) }],
  ['an index', { files: inDirectory('repo.git/objects/pack', /\.idx$/) }],
  ['a loose object', { files: looseObjects, prepare: unpackObjects }],
  ['the branch', { files: oneFile('repo.git/refs/heads/main') }],
  ['packed-refs', { files: oneFile('repo.git/packed-refs'), prepare: packRefs }],
  ['a head that waits', { files: inDirectory('repo.git/refs/atoll/heads', /./), prepare: letHeadWait }],
  ['HEAD', { files: oneFile('repo.git/HEAD') }],
  ['config', { files: oneFile('repo.git/config') }],
  ['a table of the view', { files: inDirectory('view', /\.ldb$/) }],
  ['a log of the view', { files: inDirectory('view', /\.log$/) }],
  ['the manifest of the view', { files: inDirectory('view', /^MANIFEST/) }],
  ['CURRENT of the view', { files: oneFile('view/CURRENT') }],
  ['the log of moves', { files: oneFile('state/moves') }],
  ['what was undone', { files: oneFile('state/undone') }],
])

function git(directory: string, args: readonly string[], input?: Buffer): void {
  execFileSync('git', ['-C', join(directory, 'repo.git'), ...args], { input, stdio: 'pipe' })
}

function packRefs(directory: string): void {
  git(directory, ['pack-refs', '--all'])
}

/** As an adoption that a crash cut short leaves it: `main` has it already. */
function letHeadWait(directory: string): void {
  const head = readFileSync(join(directory, 'repo.git/refs/heads/main'), 'latin1')
  const waiting = join(directory, 'repo.git/refs/atoll/heads')
  mkdirSync(waiting, { recursive: true })
  writeFileSync(join(waiting, head.trim()), head)
}

/** As stock git leaves what it was pushed or fetched. */
export function unpackObjects(directory: string): void {
  const packs = inDirectory('repo.git/objects/pack', /\.pack$/)(directory).map(file => readFileSync(file))
  rmSync(join(directory, 'repo.git/objects/pack'), { recursive: true })
  mkdirSync(join(directory, 'repo.git/objects/pack'))
  for (const pack of packs) git(directory, ['unpack-objects', '-q'], pack)
}

function looseObjects(directory: string): string[] {
  const objects = join(directory, 'repo.git/objects')
  return readdirSync(objects, { recursive: true, encoding: 'utf8' })
    .filter(name => /^[0-9a-f]{2}[/\\][0-9a-f]{38}$/.test(name))
    .toSorted()
    .map(name => join(objects, name))
}

/** Every kind of file of a data directory, but `config.json` of the command, and what lies beside the truth: `changes/`, `door.json`, `damaged/`. */
export const damageKinds: readonly string[] = [...kindByName.keys()]

export interface DamageRound {
  /** One of `damageKinds`. */
  readonly what: string
  readonly how: Harm
  /** Which file, and where in it, follows from it. */
  readonly seed: string
}

/**
 * Harms one file of a copy of the directory `whole`. Opened as it is, it is whole or says what is not; repaired, it is whole, with what is lost
 * named, or put back from `whole`.
 */
export async function damageRound(whole: string, { what, how, seed }: DamageRound): Promise<void> {
  const parent = mkdtempSync(join(tmpdir(), 'atoll-damage-'))
  try {
    const [directory, copy] = [join(parent, 'data'), join(parent, 'copy')]
    cpSync(whole, directory, { recursive: true })
    kindByName.get(what)!.prepare?.(directory)
    harmOne(directory, { what, how, seed })
    cpSync(directory, copy, { recursive: true })
    // One flipped bit makes a newer format of it, of which this program can say nothing.
    if ((what === 'format' || what === 'config') && (await isOfNewerFormat(directory))) return
    await expectWholeOrCorrupt(copy, what)
    await expectRepaired(directory, { what, whole })
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}

async function isOfNewerFormat(directory: string): Promise<boolean> {
  try {
    await diagnose(directory)
    return false
  } catch (error) {
    if (!isAtollError(error, 'NEWER_FORMAT')) throw error
    await expect(open(directory)).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
    await expect(repair(directory)).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
    return true
  }
}

function harmOne(directory: string, { what, how, seed }: DamageRound): void {
  const random = numbers(seed)
  const files = kindByName.get(what)!.files(directory)
  const file = files[random() % files.length]!
  chmodSync(file, 0o644)
  how(file, random)
}

async function expectWholeOrCorrupt(directory: string, what: string): Promise<void> {
  const before = join(directory, '../before')
  cpSync(directory, before, { recursive: true })
  try {
    const wrong = await wrongRecords(directory)
    // The end of a journal that nothing behind it vouches for may be torn as well: nobody can tell.
    expect(what === 'the journal' ? withoutEnd(wrong) : wrong).toEqual([])
  } catch (error) {
    if (!isAtollError(error)) throw error
    expect(error.code).toBe('CORRUPT')
    expect(error.data).toMatchObject({
      file: expect.stringContaining(directory),
      repair: expect.stringContaining('atoll'),
    })
    expect((await diagnose(before)).findings).not.toEqual([])
  }
}

async function expectRepaired(
  directory: string,
  { what, whole }: { readonly what: string; readonly whole: string },
): Promise<void> {
  const { after, lost } = await repair(directory)
  if (what === 'identity.key' && after.findings.length > 0) {
    // Nobody else has it.
    expect(after.findings.map(({ check }) => check)).toEqual(['identity'])
    cpSync(join(whole, what), join(directory, what))
    expect((await diagnose(directory)).findings).toEqual([])
  } else if (after.findings.length > 0) {
    // What only a peer can have: it is named, and put back from there.
    expect(after.findings.map(({ check }) => check)).toEqual(['graph'])
    expect(lost).not.toEqual([])
    expect((await repair(directory, { from: whole })).after.findings).toEqual([])
  }
  expect(fsck(directory)).toBe('')
  const wrong = await wrongRecords(directory)
  if (what !== 'the journal') expect(wrong).toEqual([])
  else if (withoutEnd(wrong).length > 0) expect(lost.join()).toMatch(/journal/)
}

function withoutEnd(wrong: readonly string[]): string[] {
  return wrong.includes('last') ? wrong.filter(name => name !== 'last' && name !== 'pending') : [...wrong]
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
