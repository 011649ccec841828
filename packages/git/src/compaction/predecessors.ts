import { assert } from '@atolldb/core'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import type { ObjectContents } from './object-contents.ts'
import { objectTypes, type ObjectTable } from './object-table.ts'
import type { Pace } from './pace.ts'

const TREE = objectTypes.indexOf('tree')
const COMMIT = objectTypes.indexOf('commit')
const TREE_MODE_START = 0x34 // '4' of 40000

/**
 * Notes for the objects that commits brought what stood at the same path before: trees of a commit and of its first parent
 * are compared, downwards where they differ. Costs what the commits changed. Looks at nothing outside of the merge, since
 * what is not in the same pack cannot be a base.
 *
 * @param first,end the numbers of the objects whose commits are looked at
 * @throws MalformedObject; system errors; ABORTED
 */
export async function findPredecessors(
  table: ObjectTable,
  contents: ObjectContents,
  first: number,
  end: number,
  pace: Pace,
): Promise<void> {
  let before = -1
  for (let number = first; number < end; number++) {
    if (pace.spent()) await pace.giveWay()
    if (table.types[number] !== COMMIT) continue
    const { tree, parent } = commitLinks(table, await contents.read(number))
    // Commits have much in common too: author, signature's head, trailers.
    table.predecessors[number] = parent >= 0 && parent < number ? parent : before
    before = number
    if (parent < 0 || tree < 0) continue
    const old = commitLinks(table, contents.kept(parent) ?? (await contents.read(parent))).tree
    if (old >= 0 && old !== tree) await new TreePairs(table, contents, pace).compare(old, tree)
  }
}

/** The numbers of a commit's tree and of its first parent; -1 for what is not in the merge. */
function commitLinks(table: ObjectTable, commit: Buffer): { tree: number; parent: number } {
  const text = commit.toString('latin1', 0, 'tree \nparent \n'.length + 4 * OBJECT_ID_BYTES)
  const links = /^tree ([0-9a-f]{40})\n(?:parent ([0-9a-f]{40})\n)?/.exec(text)
  const numberOf = (id: string | undefined): number => (id === undefined ? -1 : table.find(Buffer.from(id, 'hex'), 0))
  return { tree: numberOf(links?.[1]), parent: numberOf(links?.[2]) }
}

class TreePairs {
  readonly #table: ObjectTable
  readonly #contents: ObjectContents
  readonly #pace: Pace

  constructor(table: ObjectTable, contents: ObjectContents, pace: Pace) {
    this.#table = table
    this.#contents = contents
    this.#pace = pace
  }

  async compare(old: number, tree: number): Promise<void> {
    if (this.#pace.spent()) await this.#pace.giveWay()
    if (!this.#note(old, tree)) return
    const pairs: [old: number, current: number][] = []
    const before = this.#contents.kept(old) ?? (await this.#contents.read(old))
    const after = this.#contents.kept(tree) ?? (await this.#contents.read(tree))
    this.#changedEntries(before, after, pairs)
    for (const [from, to] of pairs) {
      if (this.#table.types[to] === TREE) await this.compare(from, to)
      else this.#note(from, to)
    }
  }

  /** False when it is known already, or is no predecessor. */
  #note(old: number, current: number): boolean {
    const { predecessors, types } = this.#table
    if (old >= current || types[old] !== types[current] || predecessors[current] !== -1) return false
    predecessors[current] = old
    return true
  }

  /** Entries of one name with other ids that are both in the merge. Entries are sorted, so both are walked once. */
  #changedEntries(before: Buffer, after: Buffer, pairs: [number, number][]): void {
    const names = new TreeNames(before)
    for (const entry = new TreeNames(after); entry.next();) {
      const order = names.advanceTo(entry)
      if (order !== 0 || before.compare(after, entry.idAt, entry.end, names.idAt, names.end) === 0) continue
      const to = this.#table.find(after, entry.idAt)
      const from = to < 0 ? -1 : this.#table.find(before, names.idAt)
      if (from >= 0) pairs.push([from, to])
    }
  }
}

/** A cursor over the entries of a tree whose form was checked when it was taken in. */
class TreeNames {
  readonly bytes: Buffer
  nameAt = 0
  /** Where the id begins, behind the name's NUL. */
  idAt = 0
  end = 0
  isTree = false

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  next(): boolean {
    const at = this.end
    if (at >= this.bytes.length) return false
    this.isTree = this.bytes[at] === TREE_MODE_START
    this.nameAt = this.bytes.indexOf(0x20, at) + 1
    this.idAt = this.bytes.indexOf(0, this.nameAt) + 1
    assert(this.nameAt > 0 && this.idAt > 0, 'a tree has the form of one')
    this.end = this.idAt + OBJECT_ID_BYTES
    return true
  }

  /** Moves on to the first entry that is not before the other's; 0 when it is of the same name and kind. */
  advanceTo(other: TreeNames): number {
    for (;;) {
      if (this.end > 0) {
        const order = this.#compare(other)
        if (order >= 0) return order
      }
      if (!this.next()) return 1
    }
  }

  /** As git sorts: a tree's name as if it ended in a slash. */
  #compare(other: TreeNames): number {
    const length = Math.min(this.idAt - this.nameAt, other.idAt - other.nameAt) - 1
    const order = this.bytes.compare(
      other.bytes,
      other.nameAt,
      other.nameAt + length,
      this.nameAt,
      this.nameAt + length,
    )
    return order !== 0 ? order : this.#byteAfter(length) - other.#byteAfter(length)
  }

  #byteAfter(length: number): number {
    const byte = this.bytes[this.nameAt + length]!
    return byte === 0 && this.isTree ? 0x2f : byte
  }
}
