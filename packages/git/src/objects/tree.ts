/**
 * git's tree object (git-scm.com/book, "Git Internals"; tree-walk.c). Entries one after the other, each
 *
 *     <mode in octal ASCII> SP <name> NUL <20 bytes of the object id>
 *
 * with mode `100644` (a blob) or `40000` (a tree). They are sorted by the bytes of their names, a tree's name compared as
 * if it ended in '/'. No two entries share a name. Names are UTF-8.
 */
import { assert, decodeUtf8, toByteString, type ObjectId, type TreeEntry } from '@atolldb/core'
import { entryNameProblem } from './entry-name.ts'
import { MalformedObject } from './malformed-object.ts'
import { asBuffer, OBJECT_ID_BYTES } from './object-id.ts'

const BLOB_MODE = '100644 '
const TREE_MODE = '40000 '
// oxlint-disable-next-line no-control-regex -- the ASCII range is meant
const asciiOnly = /^[\x00-\x7f]*$/

/** Any order in; sorted as git does. Unsafe or doubled names are a bug of the caller. */
export function encodeTree(entries: readonly TreeEntry[]): Uint8Array {
  const sorted = sortEntries(entries)
  let size = 0
  for (const { name, type } of sorted)
    size += (type === 'tree' ? TREE_MODE : BLOB_MODE).length + Buffer.byteLength(name) + 1 + OBJECT_ID_BYTES
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const { name, type, id } of sorted) {
    at += bytes.write(type === 'tree' ? TREE_MODE : BLOB_MODE, at, 'latin1')
    at += bytes.write(name, at, 'utf8')
    bytes[at++] = 0
    at += bytes.write(id, at, 'hex')
  }
  assert(at === size, 'every entry was written whole')
  return bytes
}

/**
 * Entries in git's order.
 *
 * @throws MalformedObject where `git fsck --strict` complains, and for modes and names that our trees never have.
 */
export function parseTree(tree: Uint8Array): readonly TreeEntry[] {
  const bytes = asBuffer(tree)
  const entries: TreeEntry[] = []
  let at = 0
  while (at < bytes.length) {
    const type = parseMode(bytes, at)
    const nameStart = at + (type === 'tree' ? TREE_MODE : BLOB_MODE).length
    const nameEnd = bytes.indexOf(0, nameStart)
    if (nameEnd < 0 || nameEnd + 1 + OBJECT_ID_BYTES > bytes.length) throw new MalformedObject('a truncated tree entry')
    const name = parseName(bytes, nameStart, nameEnd)
    at = nameEnd + 1 + OBJECT_ID_BYTES
    const id = bytes.toString('hex', nameEnd + 1, at) as ObjectId
    if (id === NULL_ID) throw new MalformedObject('a null object id in a tree')
    entries.push({ name, type, id })
  }
  const problem = orderProblem(entries)
  if (problem !== undefined) throw new MalformedObject(problem)
  return entries
}

const NULL_ID = '0'.repeat(40)

function parseMode(bytes: Buffer, at: number): TreeEntry['type'] {
  if (bytes.toString('latin1', at, at + TREE_MODE.length) === TREE_MODE) return 'tree'
  if (bytes.toString('latin1', at, at + BLOB_MODE.length) === BLOB_MODE) return 'blob'
  throw new MalformedObject('a tree entry whose mode is neither 100644 nor 40000')
}

function parseName(bytes: Buffer, start: number, end: number): string {
  let name = bytes.toString('latin1', start, end)
  if (!asciiOnly.test(name)) {
    try {
      name = decodeUtf8(bytes.subarray(start, end))
    } catch {
      throw new MalformedObject('a name that is not UTF-8')
    }
  }
  const problem = entryNameProblem(name)
  if (problem !== undefined) throw new MalformedObject(problem)
  return name
}

/** What git compares: as byte strings these sort as git sorts. */
function sortKey(entry: TreeEntry): string {
  return toByteString(entry.type === 'tree' ? `${entry.name}/` : entry.name)
}

function sortEntries(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  for (const { name } of entries) assert(entryNameProblem(name) === undefined, 'a name of ours is safe for git')
  const problem = orderProblem(entries)
  if (problem === undefined) return entries
  const keyed = entries.map(entry => ({ entry, key: sortKey(entry) }))
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const sorted = keyed.map(({ entry }) => entry)
  assert(orderProblem(sorted) === undefined, 'no two entries of a tree share a name')
  return sorted
}

/** Why the entries are not a tree in git's order without twins, if so. */
function orderProblem(entries: readonly TreeEntry[]): string | undefined {
  let previous = ''
  let trees = 0
  for (const entry of entries) {
    const key = sortKey(entry)
    // No name is empty, so the first always passes.
    if (key <= previous) return key === previous ? 'two tree entries of one name' : 'tree entries out of order'
    previous = key
    if (entry.type === 'tree') trees++
  }
  if (trees === 0 || trees === entries.length) return undefined
  // A file and a directory of one name need not be neighbours: `a`, `a.b`, `a/`.
  const files = new Set<string>()
  for (const { name, type } of entries) if (type === 'blob') files.add(name)
  for (const { name, type } of entries) if (type === 'tree' && files.has(name)) return 'two tree entries of one name'
  return undefined
}
