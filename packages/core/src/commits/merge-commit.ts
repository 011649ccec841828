/**
 * A **merge commit**: made by nobody, a pure function of its parents, so that everyone who merges the same heads gets the
 * same id. A git commit object of exactly this form:
 *
 *     tree <the state of its parents' histories together>
 *     parent <id>                               two to 256 data commits (or the root), sorted by id, distinct,
 *     parent <id> …                             none an ancestor of another
 *     author Atoll <merge@atoll> <the latest of its parents' author times> +0000
 *     committer <the same>
 *
 *     Merge <number of parents> heads
 *
 * No signature; the message ends with a newline.
 */
import type { CommitObject, Identity } from '../contracts/object-store.ts'
import { assert } from '../errors.ts'
import type { CommitId, ObjectId } from '../ids.ts'
import { MAX_MERGE_HEADS } from '../limits.ts'
import { sameIdentity } from './author.ts'
import { clockSeconds } from './clock.ts'
import type { Clock } from './clock.ts'
import { refusal } from './refusal.ts'

/** The parts of a merge commit's parents that decide its bytes. */
export interface MergeParent {
  readonly id: CommitId
  readonly clock: Clock
}

/** The merge of these heads, in whatever order they are given; `tree` is the state that they have together. */
export function composeMergeCommit(heads: readonly MergeParent[], tree: ObjectId): CommitObject {
  assert(heads.length >= 2 && heads.length <= MAX_MERGE_HEADS, 'a merge joins 2 to 256 heads')
  const parents = heads.map(head => head.id).sort()
  assert(isStrictlySorted(parents), 'the heads of a merge are distinct')
  const author = mergeAuthor(Math.max(...heads.map(head => clockSeconds(head.clock))))
  return { tree, parents, author, committer: author, message: mergeMessage(parents.length) }
}

/** Is its form that of a merge commit? Whether it is *the* merge of its parents takes a recomputation. @throws REFUSED */
export function assertMergeForm(commit: CommitObject): void {
  const { parents, author, committer } = commit
  if (parents.length < 2 || parents.length > MAX_MERGE_HEADS) throw refusal('a merge commit has 2 to 256 parents')
  if (!isStrictlySorted(parents)) throw refusal('the parents of a merge commit are sorted and distinct')
  if (commit.signature !== undefined) throw refusal('a merge commit has no signature')
  if (!sameIdentity(author, mergeAuthor(author.seconds)) || !sameIdentity(author, committer))
    throw refusal('a merge commit has a fixed author')
  if (commit.message !== mergeMessage(parents.length)) throw refusal('a merge commit has a fixed message')
}

function mergeAuthor(seconds: number): Identity {
  return { name: 'Atoll', email: 'merge@atoll', seconds }
}

function mergeMessage(heads: number): string {
  return `Merge ${heads} heads\n`
}

function isStrictlySorted(ids: readonly CommitId[]): boolean {
  return ids.every((id, i) => i === 0 || ids[i - 1]! < id)
}
