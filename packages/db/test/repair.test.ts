import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rebuild, repair, type Repair } from '../src/index.ts'
import {
  damageKinds,
  damageRound,
  flip,
  fsck,
  inDirectory,
  truncate,
  unpackObjects,
  wrongRecords,
} from './damage-rounds.ts'
import { fillWithPending, harm } from './damage.ts'
import { git } from './replication/nodes.ts'
import { temporaryDirectory } from './temporary.ts'

/** Bit flips and truncation in every kind of file of a data directory, and what a repair makes of it. */

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

/** Flips, and as many truncations, of each kind of file; each round is another one. `scripts/soak --only damage` runs more. */
describe.each(damageKinds)('damage of %s', what => {
  test.each([
    ['a flipped bit', flip],
    ['truncation', truncate],
  ])('%s', async (how, harmFile) => {
    await damageRound(whole, { what, how: harmFile, seed: `${what} ${how}` })
  })
})

test('a head that waits and says another commit is what its name says', async () => {
  // The bit that is flipped leaves a digit: the file still says an id.
  await damageRound(whole, { what: 'a head that waits', how: flip, seed: 'a head that waits flip 863110' })
})

test('packed refs whose first line only stock git refuses are damaged', async () => {
  await damageRound(whole, { what: 'packed-refs', how: flip, seed: 'packed-refs flip 863112' })
})

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

  test('takes from there what is missing behind what is not, too', async () => {
    const directory = damaged(found => {
      unpackObjects(found)
      const tree = git({ directory: found }, 'rev-parse', 'main^{tree}').trim()
      // The last commit changed it: only that tree leads there, by others that are whole.
      const blob = /blob (\w+)\t\S+farm-0\.json$/m.exec(git({ directory: found }, 'ls-tree', '-r', 'main'))![1]!
      for (const id of [tree, blob]) rmSync(join(found, 'repo.git/objects', id.slice(0, 2), id.slice(2)))
    })
    const { after, done, lost } = await repair(directory, { from: whole })
    expect({ findings: after.findings, lost }).toEqual({ findings: [], lost: [] })
    expect(done).toEqual([expect.stringMatching(/2 missing objects put back from --from$/)])
    expect(fsck(directory)).toBe('')
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
