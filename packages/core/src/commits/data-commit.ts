/**
 * A **data commit**: the changes of one node in one batch, as a git commit object of exactly this form.
 *
 *     tree <state after the changes>
 *     parent <the main that its writer saw: a data, root or merge commit>
 *     author <name> <<node id>@atoll> <whole seconds of the clock> +0000
 *     committer <the same>
 *     gpgsig <SSHSIG, namespace git, SHA-512, by the node's key>
 *
 *     <subject>
 *
 *     Atoll-Clock: <milliseconds>.<counter>
 *     Atoll-Node: <node id>
 *
 * The subject says what changed, by collection name: `farms +3 ~1 -2, readings +240` (added, changed, removed; zeros and
 * conflict entries are left out; of more than 8 collections the rest is `and <n> more`). It is for human eyes: one line of
 * printable ASCII, and no rule reads it. The message ends with a newline and holds nothing else.
 */
import type { Signer } from '../contracts/environment.ts'
import type { CommitObject } from '../contracts/object-store.ts'
import { assert } from '../errors.ts'
import { parseNodeId } from '../ids.ts'
import type { CommitId, NodeId, ObjectId } from '../ids.ts'
import { MAX_SUBJECT_LENGTH } from '../limits.ts'
import { isConflictCollection } from '../records.ts'
import { authorOf, isAuthorOf, sameIdentity } from './author.ts'
import { formatClock, parseClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { refusal } from './refusal.ts'

/** How many records of a collection a commit added, changed and removed. */
export interface ChangeTally {
  readonly collection: string
  readonly added: number
  readonly changed: number
  readonly removed: number
}

/** What a data commit says of itself. */
export interface DataCommit {
  readonly tree: ObjectId
  readonly parent: CommitId
  readonly clock: Clock
  readonly node: NodeId
  /** The node's name, as it was then. */
  readonly name: string
  readonly subject: string
}

const MAX_COLLECTIONS_NAMED = 8
const messagePattern = /^([\x20-\x7e]+)\n\nAtoll-Clock: ([0-9.]+)\nAtoll-Node: ([0-9A-Za-z]+)\n$/

/**
 * @example
 * composeDataCommit({ tree, parent: main, clock: clock.tick(), name: 'north', tallies, signer })
 */
export function composeDataCommit(parts: {
  readonly tree: ObjectId
  readonly parent: CommitId
  readonly clock: Clock
  readonly name: string
  readonly tallies: Iterable<ChangeTally>
  readonly signer: Signer
}): CommitObject {
  const { tree, parent, clock, signer } = parts
  const author = authorOf(parts.name, signer.node, clock)
  const trailers = `Atoll-Clock: ${formatClock(clock)}\nAtoll-Node: ${signer.node}\n`
  const message = `${subjectOf(parts.tallies)}\n\n${trailers}`
  assert(messagePattern.test(message), 'a message of ours has the form that we read')
  const unsigned: CommitObject = { tree, parents: [parent], author, committer: author, message }
  return { ...unsigned, signature: signer.sign(unsigned) }
}

/** Reads the form, and does not verify the signature. @throws REFUSED when it is not exactly as above. */
export function parseDataCommit(commit: CommitObject): DataCommit {
  const [parent, ...others] = commit.parents
  if (parent === undefined || others.length > 0) throw refusal('a data commit has one parent')
  const match = messagePattern.exec(commit.message)
  if (!match) throw refusal('the message of a data commit has another form')
  const subject = match[1]!
  if (subject.length > MAX_SUBJECT_LENGTH) throw refusal('its subject is too long')
  return { tree: commit.tree, parent, subject, ...parseSignedTrailers(commit, match[2]!, match[3]!) }
}

/** Clock and node of a commit that a node signed, with an author line that says the same. @throws REFUSED */
export function parseSignedTrailers(
  commit: CommitObject,
  clockText: string,
  nodeText: string,
): { clock: Clock; node: NodeId; name: string } {
  const { author, committer } = commit
  let clock: Clock
  let node: NodeId
  try {
    clock = parseClock(clockText)
    node = parseNodeId(nodeText)
  } catch (cause) {
    throw refusal('its clock or node is malformed', undefined, cause)
  }
  if (!isAuthorOf(author, node, clock)) throw refusal('its author line does not agree with its clock and node')
  if (!sameIdentity(author, committer)) throw refusal('its author and committer differ')
  if (commit.signature === undefined) throw refusal('it is not signed')
  return { clock, node, name: author.name }
}

/** An Object collection and a List may have the same name. */
function sumByName(tallies: Iterable<ChangeTally>): Map<string, ChangeTally> {
  const sums = new Map<string, ChangeTally>()
  for (const { collection, added, changed, removed } of tallies) {
    if (isConflictCollection(collection)) continue
    const sum = sums.get(collection) ?? { collection, added: 0, changed: 0, removed: 0 }
    sums.set(collection, {
      collection,
      added: sum.added + added,
      changed: sum.changed + changed,
      removed: sum.removed + removed,
    })
  }
  return sums
}

/** `farms +3 ~1 -2, readings +240` */
function subjectOf(tallies: Iterable<ChangeTally>): string {
  const parts: string[] = []
  for (const [collection, { added, changed, removed }] of [...sumByName(tallies)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    const counts = [
      ...(added > 0 ? [`+${added}`] : []),
      ...(changed > 0 ? [`~${changed}`] : []),
      ...(removed > 0 ? [`-${removed}`] : []),
    ]
    if (counts.length > 0) parts.push(`${collection} ${counts.join(' ')}`)
  }
  const named = parts.slice(0, MAX_COLLECTIONS_NAMED).join(', ')
  const rest = parts.length - MAX_COLLECTIONS_NAMED
  // A commit that only settles conflicts, by writing what was there, changes no value.
  if (parts.length === 0) return 'conflicts settled'
  return rest > 0 ? `${named} and ${rest} more` : named
}
