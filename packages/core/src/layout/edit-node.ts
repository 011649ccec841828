/**
 * Changes to a radix tree: `edit` takes a node and sorted edits to the node of the changed set. Only what no fold above can throw
 * away is written on the way, and held no longer; the node itself is the caller's to save.
 */
import type { ObjectStore } from '../contracts/object-store.ts'
import type { CollectionKind } from '../ids.ts'
import type { ByteString } from '../text.ts'
import { lineBytes } from './list-leaf.ts'
import { type LeafRecord, sameRecord } from './leaf-record.ts'
import {
  commonPrefix,
  fitsLeaf,
  type Inner,
  type Leaf,
  LeafMeasure,
  loadNode,
  maxLeafRecords,
  saveNode,
  type Subtree,
  subtreeOf,
} from './node.ts'

/** `record` undefined is a delete. */
export interface KeyEdit {
  readonly key: ByteString
  readonly record: LeafRecord | undefined
}

export interface NodeEditorOptions<Edit extends KeyEdit> {
  readonly breathe?: (() => Promise<void>) | undefined
  /** An edit changed something; `before` is the record that was there. */
  readonly onEffect?: ((before: LeafRecord | undefined, edit: Edit) => void) | undefined
}

/** How many records an edit added, changed and removed. */
export interface Tally {
  added: number
  changed: number
  removed: number
}

export class NodeEditor<Edit extends KeyEdit> {
  readonly #store: ObjectStore
  readonly #kind: CollectionKind
  readonly #options: NodeEditorOptions<Edit>
  #leaves = 0
  /** Did the last `edit` make a set smaller, so that nodes above it may fold? */
  #shrunk = false
  readonly tally: Tally = { added: 0, changed: 0, removed: 0 }

  constructor(store: ObjectStore, kind: CollectionKind, options: NodeEditorOptions<Edit> = {}) {
    this.#store = store
    this.#kind = kind
    this.#options = options
  }

  /** Edits sorted by key, one a key. The same subtree comes back when nothing changed, and undefined for the empty set. */
  async edit(subtree: Subtree | undefined, edits: readonly Edit[]): Promise<Subtree | undefined> {
    if (subtree === undefined) return this.#build(this.#merge([], edits).records)
    const node = await loadNode(this.#store, this.#kind, subtree)
    if (node.type === 'inner') return this.#editInner(subtree, node, edits)
    if (++this.#leaves % 32 === 0) await this.#options.breathe?.()
    const { records, isChanged } = this.#merge(node.records, edits)
    return isChanged ? this.#build(records) : subtree
  }

  #merge(records: readonly LeafRecord[], edits: readonly Edit[]): { records: LeafRecord[]; isChanged: boolean } {
    const merged: LeafRecord[] = []
    let isChanged = false
    let next = 0
    for (const edit of edits) {
      while (next < records.length && records[next]!.key < edit.key) merged.push(records[next++]!)
      const current = records[next]?.key === edit.key ? records[next++] : undefined
      const chosen = this.#choose(current, edit)
      if (chosen !== current) isChanged = true
      if (chosen !== undefined) merged.push(chosen)
    }
    for (; next < records.length; next++) merged.push(records[next]!)
    return { records: merged, isChanged }
  }

  /** The record after an edit: the very same one when it says nothing new. */
  #choose(current: LeafRecord | undefined, edit: Edit): LeafRecord | undefined {
    const next = edit.record
    if (current === undefined) {
      if (next !== undefined) this.#added(edit)
      return next
    }
    if (next === undefined) {
      this.#options.onEffect?.(current, edit)
      this.tally.removed++
      this.#shrunk = true
      return undefined
    }
    if (sameRecord(current, next)) return current
    this.#options.onEffect?.(current, edit)
    this.tally.changed++
    if (this.#kind === 'lists' && lineBytes(next) < lineBytes(current)) this.#shrunk = true
    return next
  }

  #added(edit: Edit): void {
    this.#options.onEffect?.(undefined, edit)
    this.tally.added++
  }

  #build(records: readonly LeafRecord[]): Subtree | undefined {
    const [first] = records
    const last = records.at(-1)
    if (first === undefined || last === undefined) return undefined
    if (fitsLeaf(this.#kind, records)) return subtreeOf({ type: 'leaf', records })
    // Sorted, so what the first and the last have in common all have.
    const prefix = commonPrefix(first.key, last.key)
    const { own, groups } = grouped(records, prefix)
    const children = new Map<string, Subtree>()
    for (const [byte, group] of groups) children.set(byte, this.#build(group)!)
    return subtreeOf({ type: 'inner', prefix, own: own[0], children })
  }

  async #editInner(subtree: Subtree, node: Inner, edits: readonly Edit[]): Promise<Subtree | undefined> {
    const inside: Edit[] = []
    const outside: LeafRecord[] = []
    for (const edit of edits) {
      if (edit.key.startsWith(node.prefix)) inside.push(edit)
      else if (edit.record !== undefined) {
        this.#added(edit)
        outside.push(edit.record)
      }
    }
    const edited = inside.length === 0 ? subtree : await this.#editChildren(subtree, node, inside)
    return this.#join(edited, outside)
  }

  async #editChildren(subtree: Subtree, node: Inner, edits: readonly Edit[]): Promise<Subtree | undefined> {
    const { own: ownEdits, groups } = grouped(edits, node.prefix)
    const wasShrunk = this.#shrunk
    this.#shrunk = false
    const own = ownEdits[0] === undefined ? node.own : this.#choose(node.own, ownEdits[0])
    const children = new Map(node.children)
    let isChanged = own !== node.own
    await this.#readAhead(node, groups.keys())
    for (const [byte, group] of groups) {
      const before = node.children.get(byte)
      const after = await this.edit(before, group)
      if (before?.ref !== undefined) before.node = undefined
      if (after === before) continue
      isChanged = true
      if (after === undefined) children.delete(byte)
      else children.set(byte, after)
    }
    const hasShrunk = this.#shrunk
    this.#shrunk ||= wasShrunk
    if (!isChanged) return subtree
    const changed: Inner = { type: 'inner', prefix: node.prefix, own, children: sortedByByte(children) }
    const result = hasShrunk ? await this.#fold(changed) : subtreeOf(changed)
    if (result?.node === changed) await this.#saveChildren(changed)
    return result
  }

  /**
   * A node that is no leaf has more records than one, and so have those above it, whatever else is edited: its children stay as
   * they are. They are written now, since all that many edits touch would be much to hold until the last of them.
   */
  async #saveChildren({ children }: Inner): Promise<void> {
    for (const child of children.values()) {
      if (child.ref === undefined) await saveNode(this.#store, this.#kind, child, this.#options.breathe)
      child.node = undefined
    }
  }

  /** Those that are to be edited: one after the other would be a wait for the disk each. */
  async #readAhead(node: Inner, bytes: Iterable<string>): Promise<void> {
    const reads: Promise<unknown>[] = []
    for (const byte of bytes) {
      const child = node.children.get(byte)
      if (child !== undefined) reads.push(loadNode(this.#store, this.#kind, child))
    }
    await Promise.all(reads)
  }

  /** The node of a set that may have become too small for an inner node. */
  async #fold(node: Inner): Promise<Subtree | undefined> {
    const children = [...node.children.values()]
    const [only] = children
    if (only === undefined) return node.own === undefined ? undefined : subtreeOf(leafOf([node.own]))
    if (children.length === 1 && node.own === undefined) return only
    // Each child has a record at least, so of many none needs to be read.
    if (children.length > maxLeafRecords(this.#kind)) return subtreeOf(node)
    const measure = new LeafMeasure(this.#kind)
    const records: LeafRecord[] = node.own === undefined ? [] : [node.own]
    measure.add(records)
    for (const child of children) {
      const inside = await loadNode(this.#store, this.#kind, child)
      if (inside.type === 'inner' || !measure.add(inside.records)) return subtreeOf(node)
      // Children are in order, and the node's own record comes before them all.
      for (const record of inside.records) records.push(record)
    }
    return subtreeOf(leafOf(records))
  }

  /** Adds records whose keys do not begin with the node's prefix: the node is pushed down, as it is. */
  async #join(subtree: Subtree | undefined, outside: readonly LeafRecord[]): Promise<Subtree | undefined> {
    if (subtree === undefined) return this.#build(outside)
    const [first] = outside
    const last = outside.at(-1)
    if (first === undefined || last === undefined) return subtree
    const node = await loadNode(this.#store, this.#kind, subtree)
    if (node.type === 'leaf') return this.#build([...node.records, ...outside].sort((a, b) => (a.key < b.key ? -1 : 1)))
    const prefix = commonPrefix(node.prefix, commonPrefix(first.key, last.key))
    const { own, groups } = grouped(outside, prefix)
    const children = new Map<string, Subtree>()
    const byte = node.prefix.charAt(prefix.length)
    const pushedDown = await this.#join(subtree, groups.get(byte) ?? [])
    children.set(byte, pushedDown!)
    for (const [other, group] of groups) if (other !== byte) children.set(other, this.#build(group)!)
    return subtreeOf({ type: 'inner', prefix, own: own[0], children: sortedByByte(children) })
  }
}

function leafOf(records: readonly LeafRecord[]): Leaf {
  return { type: 'leaf', records }
}

/** What lies at the prefix, and the rest by next byte, in the order given. */
function grouped<Item extends { readonly key: ByteString }>(
  items: readonly Item[],
  prefix: ByteString,
): { own: Item[]; groups: Map<string, Item[]> } {
  const own: Item[] = []
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    if (item.key.length === prefix.length) {
      own.push(item)
      continue
    }
    const byte = item.key.charAt(prefix.length)
    const group = groups.get(byte)
    if (group === undefined) groups.set(byte, [item])
    else group.push(item)
  }
  return { own, groups }
}

function sortedByByte(children: ReadonlyMap<string, Subtree>): Map<string, Subtree> {
  return new Map([...children].sort(([a], [b]) => (a < b ? -1 : 1)))
}
