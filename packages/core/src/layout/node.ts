/**
 * The nodes of a collection's radix tree over the UTF-8 bytes of ids.
 *
 * A node is a set of records. One that fits a leaf is a leaf; any other has as its prefix the longest common prefix of its
 * ids, one child for each next byte, and perhaps the one record whose id is the prefix. So its shape depends on the records
 * alone, and a node looks the same wherever it hangs.
 *
 *     Objects  leaf   a directory of at most 64 files `<id>.json` or `<id>.bin`
 *              inner  a directory with a directory `<prefix + byte>` for each child, and the file of the record at the prefix
 *     Lists    leaf   a file of lines (see list-leaf.ts): at most 128, and at most 16 KiB where there is more than one
 *              inner  a directory with, for each child, `<prefix + byte>.jsonl` (a leaf) or a directory `<prefix + byte>`
 *
 * Names are escaped and cut as in names.ts; a record keeps its whole id as its name.
 */
import type { ObjectReader, ObjectWriter, TreeEntry } from '../contracts/object-store.ts'
import type { CollectionKind, ObjectId } from '../ids.ts'
import { MAX_ID_BYTES, MAX_LIST_LEAF_BYTES, MAX_LIST_LEAF_RECORDS, MAX_OBJECT_LEAF_RECORDS } from '../limits.ts'
import type { ByteString } from '../text.ts'
import type { LeafRecord } from './leaf-record.ts'
import { decodeListLeaf, encodeListLeaf, lineBytes } from './list-leaf.ts'
import { misplaced } from './misplaced.ts'
import { decodeName, encodeName } from './names.ts'
import { readLongEntries, writeLongEntries } from './long-names.ts'

/** Where a node lies in the store. */
export interface NodeRef {
  readonly type: 'tree' | 'blob'
  readonly id: ObjectId
}

export interface Leaf {
  readonly type: 'leaf'
  /** Sorted by key. */
  readonly records: readonly LeafRecord[]
}

export interface Inner {
  readonly type: 'inner'
  readonly prefix: ByteString
  /** The record whose id is the prefix. */
  readonly own: LeafRecord | undefined
  /** By next byte, sorted. */
  readonly children: ReadonlyMap<string, Subtree>
}

/** A node that is in the store, in memory, or both. */
export interface Subtree {
  ref: NodeRef | undefined
  node: Leaf | Inner | undefined
}

export function subtreeAt(ref: NodeRef): Subtree {
  return { ref, node: undefined }
}

/** How many records a leaf may have. */
export function maxLeafRecords(kind: CollectionKind): number {
  return kind === 'objects' ? MAX_OBJECT_LEAF_RECORDS : MAX_LIST_LEAF_RECORDS
}

export function subtreeOf(node: Leaf | Inner): Subtree {
  return { ref: undefined, node }
}

/** The longest common prefix of two keys. */
export function commonPrefix(a: ByteString, b: ByteString): ByteString {
  let length = 0
  while (length < a.length && length < b.length && a.charCodeAt(length) === b.charCodeAt(length)) length++
  return a.slice(0, length)
}

/** Counts whether records fit one leaf, without looking at more of them than it takes. */
export class LeafMeasure {
  readonly #kind: CollectionKind
  #records = 0
  #bytes = 0

  constructor(kind: CollectionKind) {
    this.#kind = kind
  }

  /** Adds records; false once they do not fit. */
  add(records: readonly LeafRecord[]): boolean {
    this.#records += records.length
    if (this.#records > maxLeafRecords(this.#kind)) return false
    if (this.#kind === 'objects') return true
    for (const record of records) this.#bytes += lineBytes(record)
    return this.#records <= 1 || this.#bytes <= MAX_LIST_LEAF_BYTES
  }
}

export function fitsLeaf(kind: CollectionKind, records: readonly LeafRecord[]): boolean {
  return new LeafMeasure(kind).add(records)
}

/** Reads a node where it is not in memory yet. @throws REFUSED when it has no form of a node */
export async function loadNode(reader: ObjectReader, kind: CollectionKind, subtree: Subtree): Promise<Leaf | Inner> {
  return (subtree.node ??= await readNode(reader, kind, subtree.ref!))
}

/**
 * Leaves of Objects by the entries they were decoded from: what keeps parsed trees at hand keeps these, too, and no longer.
 * Inner nodes are made anew, since whoever walks down hangs nodes into them.
 */
const leafByEntries = new WeakMap<readonly TreeEntry[], Leaf>()

/** Reads a node; nobody keeps it. @throws REFUSED when it has no form of a node */
export async function readNode(reader: ObjectReader, kind: CollectionKind, ref: NodeRef): Promise<Leaf | Inner> {
  if (ref.type === 'blob') return checkedLeaf(kind, decodeListLeaf(await reader.readBlob(ref.id)))
  const entries = await reader.readTree(ref.id)
  const known = kind === 'objects' ? leafByEntries.get(entries) : undefined
  if (known !== undefined) return known
  const node = await decodeDirectory(reader, kind, entries)
  if (kind === 'objects' && node.type === 'leaf') leafByEntries.set(entries, node)
  return node
}

async function decodeDirectory(
  reader: ObjectReader,
  kind: CollectionKind,
  entries: readonly TreeEntry[],
): Promise<Leaf | Inner> {
  const records: LeafRecord[] = []
  const children: [ByteString, Subtree][] = []
  for (const { name, type, id } of await readLongEntries(reader, entries)) {
    if (type === 'tree') children.push([decodeName(name), subtreeAt({ type: 'tree', id })])
    else if (kind === 'lists')
      children.push([decodeName(withoutExtension(name, '.jsonl')), subtreeAt({ type: 'blob', id })])
    else records.push(recordOfFile(name, id))
  }
  return children.length === 0 ? checkedLeaf(kind, records.sort(byKey)) : checkedInner(records, children)
}

function byKey(a: { key: ByteString }, b: { key: ByteString }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

function recordOfFile(name: string, version: ObjectId): LeafRecord {
  const isJson = name.endsWith('.json')
  const stem = withoutExtension(name, isJson ? '.json' : '.bin')
  return { key: decodeName(stem), format: isJson ? 'json' : 'bytes', version, bytes: undefined }
}

function withoutExtension(name: string, extension: string): string {
  if (!name.endsWith(extension)) throw misplaced(`a file without ${extension}: ${JSON.stringify(name.slice(0, 120))}`)
  return name.slice(0, -extension.length)
}

function checkedLeaf(kind: CollectionKind, records: readonly LeafRecord[]): Leaf {
  if (records.length === 0) throw misplaced('an empty leaf')
  if (!fitsLeaf(kind, records)) throw misplaced('more in a leaf than fits')
  for (const { key } of records) if (key.length > MAX_ID_BYTES) throw misplaced('the name of a record is too long')
  for (let i = 1; i < records.length; i++)
    if (records[i - 1]!.key >= records[i]!.key) throw misplaced('the records of a leaf are not sorted and distinct')
  return { type: 'leaf', records }
}

function checkedInner(records: readonly LeafRecord[], named: readonly [ByteString, Subtree][]): Inner {
  const prefix = named[0]![0].slice(0, -1)
  // This also bounds how deep a tree can be, since each child has a longer prefix than its parent.
  if (prefix.length >= MAX_ID_BYTES) throw misplaced('the name of a directory is too long')
  const sorted = named.toSorted(([a], [b]) => (a < b ? -1 : 1))
  const children = new Map<string, Subtree>()
  for (const [name, child] of sorted) {
    if (name.length !== prefix.length + 1 || !name.startsWith(prefix))
      throw misplaced('the children of a node do not share its prefix')
    children.set(name.slice(-1), child)
  }
  const [own, ...others] = records
  if (others.length > 0 || (own !== undefined && own.key !== prefix))
    throw misplaced('a record beside the children of a node')
  if (children.size !== sorted.length || children.size + records.length < 2)
    throw misplaced('a node has too few children')
  return { type: 'inner', prefix, own, children }
}

/** Writes what is in memory only, children first, and returns where the node lies. `breathe` is called after each leaf. */
export async function saveNode(
  writer: ObjectWriter,
  kind: CollectionKind,
  subtree: Subtree,
  breathe?: () => Promise<void>,
): Promise<NodeRef> {
  if (subtree.ref !== undefined) return subtree.ref
  const node = subtree.node!
  if (node.type === 'leaf') {
    await breathe?.()
    return (subtree.ref = writeLeaf(writer, kind, node))
  }
  const entries = node.own === undefined ? [] : [writeRecord(writer, node.own)]
  for (const [byte, child] of node.children) {
    const { type, id } = await saveNode(writer, kind, child, breathe)
    const name = encodeName(node.prefix + byte)
    entries.push({ name: type === 'blob' ? `${name}.jsonl` : name, type, id })
  }
  return (subtree.ref = { type: 'tree', id: writeLongEntries(writer, entries) })
}

function writeLeaf(writer: ObjectWriter, kind: CollectionKind, { records }: Leaf): NodeRef {
  if (kind === 'lists') return { type: 'blob', id: writer.writeBlob(encodeListLeaf(records)) }
  const entries = records.map(record => writeRecord(writer, record))
  return { type: 'tree', id: writeLongEntries(writer, entries) }
}

function writeRecord(writer: ObjectWriter, { key, format, version, bytes }: LeafRecord): TreeEntry {
  // A record's version is the id of its blob.
  if (bytes !== undefined) writer.writeBlob(bytes, version)
  return { name: `${encodeName(key)}.${format === 'json' ? 'json' : 'bin'}`, type: 'blob', id: version! }
}
