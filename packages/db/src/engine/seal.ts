import {
  applyEdits,
  ChangeCollector,
  type ChangeList,
  type Clock,
  type CommitId,
  compareClock,
  composeDataCommit,
  HybridClock,
  isConflictCollection,
  type ObjectId,
  type ObjectStore,
  type RecordDifference,
  type RecordEdit,
  type RecordKey,
  recordKey,
  type Signer,
} from '@atolldb/core'
import type { JournalEntry } from '../journal/frame.ts'
import { breatheInSlices } from '../scheduling/breathe.ts'
import { contentVersion } from './content.ts'

/** What a data commit is made upon. */
export interface SealParent {
  readonly main: CommitId
  readonly tree: ObjectId
  readonly clock: Clock
}

/** Who makes it. */
export interface Author {
  readonly name: string
  readonly signer: Signer
}

/**
 * Puts journal entries into one signed data commit upon a parent, as objects of `stage`, which the caller makes durable.
 * Of several writes to a record the last one counts. Undefined when they change nothing.
 */
export async function composeSeal(
  stage: ObjectStore,
  parent: SealParent,
  author: Author,
  entries: readonly JournalEntry[],
  breathe: () => Promise<void> = breatheInSlices(),
): Promise<{ commit: CommitId; tree: ObjectId; clock: Clock; changes: ChangeList } | undefined> {
  const collector = new ChangeCollector()
  const onDifference = (difference: RecordDifference): void => collector.add(difference)
  const { tree, tallies } = await applyEdits(stage, parent.tree, lastEdits(entries), { breathe, onDifference })
  if (tree === parent.tree) return undefined
  const clock = sealClock(parent.clock, entries)
  const shown = [...tallies.values()].filter(({ collection }) => !isConflictCollection(collection))
  const commit = stage.writeCommit(
    composeDataCommit({ tree, parent: parent.main, clock, name: author.name, tallies: shown, signer: author.signer }),
  )
  return { commit, tree, clock, changes: await collector.finish(stage, tree) }
}

function lastEdits(entries: readonly JournalEntry[]): Iterable<RecordEdit> {
  const editByRecord = new Map<RecordKey, RecordEdit>()
  for (const entry of entries)
    for (const { kind, collection, id, content } of entry.changes)
      editByRecord.set(recordKey({ kind, collection, id }), {
        kind,
        collection,
        id,
        content: content && { format: content.format, bytes: content.bytes, version: contentVersion(content) },
      })
  return editByRecord.values()
}

/**
 * The clock of the last change; after the parent's even where the changes were made before the parent was known (by a node
 * that had not met its cluster).
 */
function sealClock(parent: Clock, entries: readonly JournalEntry[]): Clock {
  const last = entries.at(-1)?.clock ?? parent
  return compareClock(last, parent) > 0 ? last : clockBehind(parent)
}

/** The least clock after that one. */
export function clockBehind(clock: Clock): Clock {
  return new HybridClock({ nowMs: () => 0 }, clock).tick()
}
