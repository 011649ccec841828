import type { ObjectReader } from '../contracts/object-store.ts'
import type { CollectionKind, CollectionName, ObjectId } from '../ids.ts'
import type { RecordDifference } from '../records.ts'
import { KINDS, readCollectionRoots, readKindRoots } from './collection-roots.ts'
import { keyToId, toContent, type LeafRecord, sameRecord } from './leaf-record.ts'
import type { ByteString } from '../text.ts'
import { misplaced } from './misplaced.ts'
import { type Inner, type Leaf, type NodeRef, readNode, subtreeAt, type Subtree, subtreeOf } from './node.ts'

export interface DiffOptions {
  /** More than so many differences are refused: for trees that strangers made. */
  readonly maxDifferences?: number
  readonly only?: (kind: CollectionKind, collection: CollectionName) => boolean
}

/**
 * How the records of two states differ, each record once, a few at a time. Subtrees with the same id are not looked into, and
 * nodes that were pushed down, split or folded are compared as the sets they are: the cost is what changed, times the depth.
 *
 * @throws REFUSED when a tree is not in the layout, or there are too many differences
 */
export async function* diffStates(
  reader: ObjectReader,
  before: ObjectId | undefined,
  after: ObjectId | undefined,
  options: DiffOptions = {},
): AsyncGenerator<readonly RecordDifference[]> {
  if (before === after) return
  let left = options.maxDifferences ?? Infinity
  const beforeKinds = await readKindRoots(reader, before)
  const afterKinds = await readKindRoots(reader, after)
  for (const kind of KINDS) {
    if (beforeKinds.get(kind) === afterKinds.get(kind)) continue
    const beforeRoots = await readCollectionRoots(reader, before, kind)
    const afterRoots = await readCollectionRoots(reader, after, kind)
    for (const collection of new Set([...beforeRoots.keys(), ...afterRoots.keys()])) {
      if (options.only?.(kind, collection) === false) continue
      const pairs = diffNodes(
        { reader, kind },
        toSubtree(beforeRoots.get(collection)),
        toSubtree(afterRoots.get(collection)),
      )
      for await (const batch of pairs) {
        left -= batch.length
        if (left < 0) throw misplaced(`more than ${options.maxDifferences} records differ`)
        yield batch.map(pair => toDifference(reader, kind, collection, pair))
      }
    }
  }
}

function toSubtree(ref: NodeRef | undefined): Subtree | undefined {
  return ref === undefined ? undefined : subtreeAt(ref)
}

interface Pair {
  readonly before: LeafRecord | undefined
  readonly after: LeafRecord | undefined
}

interface Context {
  readonly reader: ObjectReader
  readonly kind: CollectionKind
}

function toDifference(
  reader: ObjectReader,
  kind: CollectionKind,
  collection: CollectionName,
  { before, after }: Pair,
): RecordDifference {
  return {
    kind,
    collection,
    id: keyToId((before ?? after)!.key),
    before: before && toContent(reader, before),
    after: after && toContent(reader, after),
  }
}

/** Two nodes to compare; both hold only keys that begin with `within`, or their tree is refused. */
interface NodePair {
  readonly before: Subtree | undefined
  readonly after: Subtree | undefined
  readonly within: ByteString
  loading?: Promise<LoadedPair>
}

/** So many pairs of nodes are read at once: one after the other would be a wait for the disk each. */
const READ_AHEAD = 16

interface LoadedPair {
  readonly a: Leaf | Inner | undefined
  readonly b: Leaf | Inner | undefined
}

/** Keeps few nodes, and none longer than it takes to compare it, so a whole database can be read this way. */
async function* diffNodes(
  context: Context,
  before: Subtree | undefined,
  after: Subtree | undefined,
): AsyncGenerator<Pair[]> {
  const pending: NodePair[] = []
  const push = (pair: NodePair): void => {
    if (!isSameSubtree(pair)) pending.push(pair)
  }
  push({ before, after, within: '' })
  for (let nodes = pending.at(-1); nodes !== undefined; nodes = pending.at(-1)) {
    for (const next of pending.slice(-READ_AHEAD)) startLoading(context, next)
    const { a, b } = await nodes.loading!
    pending.pop()
    if (a?.type !== 'inner' && b?.type !== 'inner') {
      const pairs = pairUp(a?.records ?? [], b?.records ?? [])
      if (pairs.length > 0) yield pairs
      continue
    }
    // The shorter prefix decides how both are split; a leaf or nothing is split as the other one is.
    const prefix = shorterPrefix(a, b)
    const left = split(a, prefix, nodes.before?.ref)
    const right = split(b, prefix, nodes.after?.ref)
    const beside = pairUp(left.beside, right.beside)
    if (beside.length > 0) yield beside
    // The first byte is on top.
    for (const byte of [...new Set([...left.children.keys(), ...right.children.keys()])].sort().reverse())
      push({ before: left.children.get(byte), after: right.children.get(byte), within: prefix + byte })
  }
}

function isSameSubtree({ before, after }: NodePair): boolean {
  return before?.ref !== undefined && before.ref.id === after?.ref?.id
}

function startLoading(context: Context, nodes: NodePair): void {
  if (nodes.loading !== undefined) return
  nodes.loading = loadPair(context, nodes)
  // Who stops early does not wait for it; who does is told.
  nodes.loading.catch(() => undefined)
}

async function loadPair(context: Context, { before, after, within }: NodePair): Promise<LoadedPair> {
  const [a, b] = await Promise.all([before && load(context, before, within), after && load(context, after, within)])
  return { a, b }
}

async function load({ reader, kind }: Context, subtree: Subtree, within: ByteString): Promise<Leaf | Inner> {
  // In memory is only what was made from a node that was checked.
  if (subtree.node !== undefined) return subtree.node
  const node = await readNode(reader, kind, subtree.ref!)
  const isWithin =
    node.type === 'inner' ? node.prefix.startsWith(within) : node.records.every(record => record.key.startsWith(within))
  if (!isWithin) throw misplaced('a record lies below a directory that is not its own')
  return node
}

/** A prefix such that each inner node's own is at least that long: the common part of both where they differ. */
function shorterPrefix(a: Leaf | Inner | undefined, b: Leaf | Inner | undefined): ByteString {
  if (a?.type !== 'inner') return (b as Inner).prefix
  if (b?.type !== 'inner') return a.prefix
  let length = 0
  while (length < a.prefix.length && length < b.prefix.length && a.prefix[length] === b.prefix[length]) length++
  return a.prefix.slice(0, length)
}

interface SplitNode {
  /** Records that lie at the prefix, or do not begin with it; sorted. */
  readonly beside: readonly LeafRecord[]
  readonly children: ReadonlyMap<string, Subtree>
}

/** A node as the children that it has, or would have, below a prefix. */
function split(node: Leaf | Inner | undefined, prefix: ByteString, ref: NodeRef | undefined): SplitNode {
  if (node === undefined) return { beside: [], children: new Map() }
  if (node.type === 'inner') {
    if (node.prefix.length === prefix.length)
      return { beside: node.own === undefined ? [] : [node.own], children: node.children }
    return { beside: [], children: new Map([[node.prefix.charAt(prefix.length), { ref, node }]]) }
  }
  const beside: LeafRecord[] = []
  const recordsByByte = new Map<string, LeafRecord[]>()
  for (const record of node.records) {
    if (record.key.length <= prefix.length || !record.key.startsWith(prefix)) {
      beside.push(record)
      continue
    }
    const byte = record.key.charAt(prefix.length)
    const group = recordsByByte.get(byte)
    if (group === undefined) recordsByByte.set(byte, [record])
    else group.push(record)
  }
  const children = new Map<string, Subtree>()
  for (const [byte, records] of recordsByByte) children.set(byte, subtreeOf({ type: 'leaf', records }))
  return { beside, children }
}

function pairUp(before: readonly LeafRecord[], after: readonly LeafRecord[]): Pair[] {
  const pairs: Pair[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    const a = before[i]
    const b = after[j]
    if (b === undefined || (a !== undefined && a.key < b.key)) {
      pairs.push({ before: a, after: undefined })
      i++
    } else if (a === undefined || b.key < a.key) {
      pairs.push({ before: undefined, after: b })
      j++
    } else {
      if (!sameRecord(a, b)) pairs.push({ before: a, after: b })
      i++
      j++
    }
  }
  return pairs
}
