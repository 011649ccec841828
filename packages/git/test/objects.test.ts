import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EMPTY_TREE, type CommitId, type CommitObject, type ObjectId, type TreeEntry } from '@atolldb/core'
import {
  encodeCommit,
  encodeTree,
  entryNameProblem,
  hashObject,
  MalformedObject,
  parseCommit,
  parseTree,
} from '@atolldb/git'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let directory: string
const git = (args: string[], input?: Uint8Array): string =>
  execFileSync('git', ['-C', directory, ...args], { ...(input ? { input } : {}), encoding: 'utf8', stdio: 'pipe' })

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'atoll-objects-'))
  git(['init', '--quiet', '--bare'])
})
afterAll(() => rmSync(directory, { recursive: true }))

const blobId = hashObject('blob', Buffer.from('x'))
const id = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .filter(bytes => bytes.some(byte => byte !== 0))
  .map(bytes => Buffer.from(bytes).toString('hex') as ObjectId)
const name = fc
  .oneof(
    fc.constantFrom('a', 'a.b', 'a-', 'a0', 'ab', 'é', '\u{1f600}', '\uffee'),
    fc.string({ unit: 'grapheme', minLength: 1 }),
  )
  .filter(text => entryNameProblem(text) === undefined)
const entries = fc.uniqueArray(fc.record<TreeEntry>({ name, type: fc.constantFrom('blob', 'tree'), id }), {
  selector: entry => entry.name,
})

describe('object ids', () => {
  it('are those of git, at every size', () => {
    for (const size of [0, 1, 100, 16_351, 16_352, 16_353, 16_384, 70_000]) {
      const bytes = Buffer.alloc(size, 'ab')
      expect(hashObject('blob', bytes)).toBe(git(['hash-object', '--stdin'], bytes).trim())
    }
    expect(hashObject('tree', encodeTree([]))).toBe(EMPTY_TREE)
  })
})

describe('trees', () => {
  it('come back as they were, in the order of git', () => {
    fc.assert(
      fc.property(entries, list => {
        const bytes = encodeTree(list)
        const parsed = parseTree(bytes)
        expect(encodeTree(parsed)).toEqual(bytes)
        expect(new Set(parsed)).toEqual(new Set(list))
      }),
    )
  })

  it('are byte for byte those of git mktree', () => {
    fc.assert(
      fc.property(entries, list => {
        const lines = list
          .map(e => `${e.type === 'tree' ? '040000' : '100644'} ${e.type} ${e.id}\t${e.name}\0`)
          .join('')
        expect(hashObject('tree', encodeTree(list))).toBe(git(['mktree', '-z', '--missing'], Buffer.from(lines)).trim())
      }),
      { numRuns: 40 },
    )
  })

  const raw = (...list: [mode: string, name: string | Uint8Array, id?: string][]): Uint8Array =>
    Buffer.concat(
      list.flatMap(([mode, entry, entryId]) => [
        Buffer.from(`${mode} `),
        Buffer.from(entry),
        Buffer.of(0),
        Buffer.from(entryId ?? blobId, 'hex'),
      ]),
    )

  it.each<[string, Uint8Array]>([
    ['symlink', raw(['120000', 'a'])],
    ['gitlink', raw(['160000', 'a'])],
    ['executable', raw(['100755', 'a'])],
    ['zero-padded mode', raw(['040000', 'a'])],
    ['group-writable', raw(['100664', 'a'])],
    ['empty name', raw(['100644', ''])],
    ['slash', raw(['100644', 'a/b'])],
    ['dot', raw(['40000', '.'])],
    ['dot dot', raw(['40000', '..'])],
    ['.git', raw(['40000', '.git'])],
    ['.GiT', raw(['40000', '.GiT'])],
    ['HFS .git', raw(['40000', '.g\u200cit'])],
    ['HFS .git, ignored first', raw(['40000', '\u200c.git'])],
    ['HFS .git, BOM', raw(['40000', '\ufeff.git'])],
    ['NTFS .git, dots and spaces', raw(['40000', '.git . .'])],
    ['NTFS short name', raw(['40000', 'GIT~1'])],
    ['NTFS stream', raw(['40000', '.git::$INDEX_ALLOCATION'])],
    ['NTFS backslash', raw(['40000', 'a\\.git'])],
    ['.gitmodules', raw(['100644', '.gitmodules'])],
    ['unsorted', raw(['100644', 'b'], ['100644', 'a'])],
    ['sorted as files though a directory', raw(['40000', 'a'], ['100644', 'a.b'])],
    ['twins', raw(['100644', 'a'], ['100644', 'a'])],
    ['file and directory, apart', raw(['100644', 'a'], ['100644', 'a.b'], ['40000', 'a'])],
    ['null id', raw(['100644', 'a', '0'.repeat(40)])],
    ['not UTF-8', raw(['100644', Buffer.of(0xff, 0xfe)])],
    ['overlong UTF-8', raw(['100644', Buffer.of(0x61, 0xc0, 0xaf)])],
    ['truncated id', raw(['100644', 'a']).subarray(0, -1)],
    ['truncated name', Buffer.from('100644 abc')],
    ['trailing byte', Buffer.concat([raw(['100644', 'a']), Buffer.of(0x31)])],
  ])('with %s are refused', (_what, bytes) => {
    expect(() => parseTree(bytes)).toThrow(MalformedObject)
  })

  it('are never accepted where git fsck --strict complains', () => {
    const base = encodeTree([
      { name: '.gitx', type: 'blob', id: blobId },
      { name: 'ab', type: 'tree', id: EMPTY_TREE },
      { name: 'git~2', type: 'blob', id: blobId },
    ])
    fc.assert(
      fc.property(
        fc.nat(base.length - 1),
        fc.constantFrom(0, 1, 0x20, 0x2e, 0x2f, 0x31, 0x34, 0x67, 0xff),
        (at, byte) => {
          const bytes = Buffer.from(base)
          bytes[at] = byte
          let accepted = true
          try {
            parseTree(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedObject)
            accepted = false
          }
          // `hash-object` checks as fsck does; --strict is the default there.
          if (accepted) git(['hash-object', '-t', 'tree', '--stdin'], bytes)
        },
      ),
      { numRuns: 60 },
    )
  })
})

const identity = fc.record({
  name: fc.constantFrom('a', 'Ann Example', 'é \u{1f600}'),
  email: fc.constantFrom('a@atoll', '12D3KooW@atoll'),
  seconds: fc.nat(2 ** 33),
})
const commit = fc
  .record({
    tree: id,
    parents: fc.array(
      id.map(each => each as CommitId),
      { maxLength: 4 },
    ),
    author: identity,
    committer: identity,
    signature: fc.option(fc.constantFrom('one', 'one\ntwo\n\nfour', 'x\n y'), { nil: undefined }),
    message: fc.string({ unit: 'grapheme' }).map(text => `${text.replaceAll('\0', '')}\n`),
  })
  .map(({ signature, ...rest }): CommitObject => ({ ...rest, ...(signature === undefined ? {} : { signature }) }))

describe('commits', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(commit, value => {
        expect(parseCommit(encodeCommit(value))).toEqual(value)
      }),
    )
  })

  it('satisfy git', () => {
    fc.assert(
      fc.property(commit, value => {
        const bytes = encodeCommit(value)
        expect(git(['hash-object', '-t', 'commit', '--stdin'], bytes).trim()).toBe(hashObject('commit', bytes))
      }),
      { numRuns: 20 },
    )
  })

  it('are read exactly or not at all', () => {
    const base = encodeCommit({
      tree: EMPTY_TREE,
      parents: [blobId as CommitId, blobId as CommitId],
      author: { name: 'a', email: 'a@atoll', seconds: 1 },
      committer: { name: 'a', email: 'a@atoll', seconds: 0 },
      signature: 'one\ntwo',
      message: 'm\n',
    })
    fc.assert(
      fc.property(fc.nat(base.length), fc.nat(2), fc.nat(255), (at, removed, byte) => {
        const bytes = Buffer.concat([base.subarray(0, at), Buffer.of(byte), base.subarray(at + removed)])
        try {
          expect(Buffer.from(encodeCommit(parseCommit(bytes)))).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedObject)
        }
      }),
      { numRuns: 2000 },
    )
  })

  const header = `tree ${EMPTY_TREE}\n`
  const who = 'a <a@atoll> 1 +0000\n'
  it.each<[string, string]>([
    ['no tree', `author ${who}committer ${who}\nm\n`],
    ['no author', `${header}committer ${who}\nm\n`],
    ['committer first', `${header}committer ${who}author ${who}\nm\n`],
    ['another zone', `${header}author a <a@atoll> 1 +0100\ncommitter ${who}\nm\n`],
    ['negative zero zone', `${header}author a <a@atoll> 1 -0000\ncommitter ${who}\nm\n`],
    ['zero-padded time', `${header}author a <a@atoll> 01 +0000\ncommitter ${who}\nm\n`],
    ['negative time', `${header}author a <a@atoll> -1 +0000\ncommitter ${who}\nm\n`],
    ['time beyond 2^53', `${header}author a <a@atoll> 9999999999999999 +0000\ncommitter ${who}\nm\n`],
    ['two e-mails', `${header}author a <b> <a@atoll> 1 +0000\ncommitter ${who}\nm\n`],
    ['an extra header', `${header}author ${who}committer ${who}encoding UTF-8\n\nm\n`],
    ['two signatures', `${header}author ${who}committer ${who}gpgsig a\ngpgsig b\n\nm\n`],
    ['parent after author', `${header}author ${who}parent ${EMPTY_TREE}\ncommitter ${who}\nm\n`],
    ['upper-case id', `tree ${EMPTY_TREE.toUpperCase()}\nauthor ${who}committer ${who}\nm\n`],
    ['NUL in the message', `${header}author ${who}committer ${who}\nm\0\n`],
    ['carriage returns', `${header}author ${who}committer ${who}`.replaceAll('\n', '\r\n') + '\r\nm\n'],
    ['no message', `${header}author ${who}committer ${who}`],
  ])('with %s are refused', (_what, text) => {
    expect(() => parseCommit(Buffer.from(text))).toThrow(MalformedObject)
  })
})
