import { fakeNodeId, fakeSigner } from '@atolldb/testkit'
import { describe, expect, it } from 'vitest'
import { parseNodeName } from '../../src/commits/author.ts'
import { composeDataCommit, parseDataCommit } from '../../src/commits/data-commit.ts'
import { assertMergeForm, composeMergeCommit } from '../../src/commits/merge-commit.ts'
import { parseRootCommit } from '../../src/commits/root-commit.ts'
import type { CommitObject } from '../../src/contracts/object-store.ts'
import { parseCommitId, parseObjectId } from '../../src/ids.ts'

const node = fakeNodeId(1)
const tree = parseObjectId('1'.repeat(40))
const parent = parseCommitId('2'.repeat(40))
const clock = { ms: 1_700_000_000_999, counter: 3 }
const tally = (collection: string, added: number, changed: number, removed: number) => ({
  collection,
  added,
  changed,
  removed,
})
const compose = (tallies: ReturnType<typeof tally>[]) =>
  composeDataCommit({ tree, parent, clock, name: 'Nørth 1', tallies, signer: fakeSigner(node) })
const subjectOf = (tallies: ReturnType<typeof tally>[]) => compose(tallies).message.split('\n')[0]
const refused = expect.objectContaining({ code: 'REFUSED' })

describe('a data commit', () => {
  const commit = compose([tally('readings', 240, 0, 0), tally('farms', 3, 1, 2)])

  it('has exactly the documented form', () => {
    expect(commit).toEqual({
      tree,
      parents: [parent],
      author: { name: 'Nørth 1', email: `${node}@atoll`, seconds: 1_700_000_000 },
      committer: { name: 'Nørth 1', email: `${node}@atoll`, seconds: 1_700_000_000 },
      signature: expect.stringContaining('SSH SIGNATURE'),
      message: `farms +3 ~1 -2, readings +240\n\nAtoll-Clock: 1700000000999.3\nAtoll-Node: ${node}\n`,
    })
  })

  it('is read back', () => {
    expect(parseDataCommit(commit)).toEqual({
      tree,
      parent,
      clock,
      node,
      name: 'Nørth 1',
      subject: 'farms +3 ~1 -2, readings +240',
    })
  })

  it('names eight collections, and says how many more', () => {
    const tallies = Array.from({ length: 10 }, (_, i) => tally(`c${i}`, 1, 0, 0))
    expect(subjectOf(tallies)).toBe('c0 +1, c1 +1, c2 +1, c3 +1, c4 +1, c5 +1, c6 +1, c7 +1 and 2 more')
    expect(subjectOf([])).toBe('conflicts settled')
  })

  const broken: Record<string, CommitObject> = {
    'two parents': { ...commit, parents: [parent, parent] },
    'no parent': { ...commit, parents: [] },
    'no signature': {
      tree,
      parents: [parent],
      author: commit.author,
      committer: commit.committer,
      message: commit.message,
    },
    'another author time': { ...commit, author: { ...commit.author, seconds: 1_700_000_001 } },
    "another node's mail": { ...commit, author: { ...commit.author, email: `${fakeNodeId(2)}@atoll` } },
    'another committer': { ...commit, committer: { ...commit.committer, name: 'x' } },
    'a name with a bracket': { ...commit, author: { ...commit.author, name: 'a>b' } },
    'a further trailer': { ...commit, message: `${commit.message}Signed-off-by: x\n` },
    'no newline at the end': { ...commit, message: commit.message.slice(0, -1) },
    'a subject of two lines': { ...commit, message: commit.message.replace(', ', '\n') },
    'an endless subject': { ...commit, message: commit.message.replace('farms', 'f'.repeat(1024)) },
    'a clock with a leading zero': { ...commit, message: commit.message.replace('Clock: 1', 'Clock: 01') },
  }
  it.each(Object.entries(broken))('is refused with %s', (_, bad) => {
    expect(() => parseDataCommit(bad)).toThrow(refused)
  })

  it('is not taken for a root commit', () => {
    expect(() => parseRootCommit({ ...commit, parents: [] })).toThrow(refused)
  })
})

describe('the name of a node', () => {
  it.each(['north', 'Nørth 1', '北', 'a'.repeat(64)])('may be %j', name => expect(parseNodeName(name)).toBe(name))

  it.each(['', ' ', ' a', 'a ', 'a\nb', 'a\u007fb', 'a\u2028b', 'a<b', 'a>b', '\ud800', 'a'.repeat(65)])(
    'may not be %j',
    name => expect(() => parseNodeName(name)).toThrow(expect.objectContaining({ code: 'INVALID' })),
  )
})

describe('a merge commit', () => {
  const a = { id: parseCommitId('a'.repeat(40)), clock: { ms: 5_999, counter: 0 } }
  const b = { id: parseCommitId('b'.repeat(40)), clock: { ms: 3_000, counter: 9 } }
  const commit = composeMergeCommit([b, a], tree)

  it('is a pure function of its parents, in exactly the documented form', () => {
    const author = { name: 'Atoll', email: 'merge@atoll', seconds: 5 }
    expect(commit).toEqual({
      tree,
      parents: [a.id, b.id],
      author,
      committer: author,
      message: 'Merge 2 heads\n',
    })
    expect(composeMergeCommit([a, b], tree)).toEqual(commit)
  })

  const broken: Record<string, CommitObject> = {
    'unsorted parents': { ...commit, parents: [b.id, a.id] },
    'a parent twice': { ...commit, parents: [a.id, a.id] },
    'too many parents': {
      ...commit,
      parents: Array.from({ length: 257 }, (_, i) => parseCommitId(String(i).padStart(40, '0'))),
    },
    'a signature': { ...commit, signature: 'x' },
    'another message': { ...commit, message: 'Merge 3 heads\n' },
    'another author': { ...commit, author: { ...commit.author, name: 'x' } },
    'another committer time': { ...commit, committer: { ...commit.committer, seconds: 6 } },
  }
  it.each(Object.entries(broken))('is refused with %s', (_, bad) => {
    expect(() => assertMergeForm(bad)).toThrow(refused)
  })
})
