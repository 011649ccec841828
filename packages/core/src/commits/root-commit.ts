/**
 * The **root commit** of a cluster: no parent, signed by the creator; its id is the cluster's id. A git commit object of
 * exactly this form:
 *
 *     tree <see below>
 *     author <name> <<node id>@atoll> <whole seconds of the clock> +0000
 *     committer <the same>
 *     gpgsig <SSHSIG, as for a data commit>
 *
 *     Found a cluster
 *
 *     Atoll-Clock: <milliseconds>.<counter>
 *     Atoll-Node: <node id>
 *     Atoll-Rules: 1
 *
 * Its tree holds two records, in canonical JSON and the canonical layout:
 *
 *     objects/.atoll.members/<node id>.json   {"addedBy":<node id>,"name":<name>,"publicKey":<key>,"role":"admin","voter":true}
 *     objects/.atoll.cluster/rules.json       {"version":1}
 */
import type { Signer } from '../contracts/environment.ts'
import type { CommitObject, ObjectStore } from '../contracts/object-store.ts'
import { assert } from '../errors.ts'
import type { CollectionName, NodeId, ObjectId, RecordId } from '../ids.ts'
import { canonicalJson, parseCanonicalJson } from '../json/index.ts'
import { applyEdits, lookupRecord } from '../layout/index.ts'
import { RULES_VERSION } from '../limits.ts'
import type { JsonValue, RecordEdit } from '../records.ts'
import { decodeUtf8, encodeUtf8 } from '../text.ts'
import { authorOf } from './author.ts'
import { formatClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { parseSignedTrailers } from './data-commit.ts'
import { refusal } from './refusal.ts'

/** What a root commit says of itself. */
export interface RootCommit {
  readonly tree: ObjectId
  readonly clock: Clock
  readonly node: NodeId
  readonly name: string
  readonly rules: number
}

/** Where the member records are, and the record of the rules. */
export const MEMBERS_COLLECTION = '.atoll.members' as CollectionName
export const CLUSTER_COLLECTION = '.atoll.cluster' as CollectionName
const RULES_ID = 'rules' as RecordId

const SUBJECT = 'Found a cluster'
const publicKeyPattern = /^ssh-ed25519 [A-Za-z0-9+/]{68}$/
const messagePattern =
  /^Found a cluster\n\nAtoll-Clock: ([0-9.]+)\nAtoll-Node: ([0-9A-Za-z]+)\nAtoll-Rules: ([1-9][0-9]{0,5})\n$/

/**
 * Writes the tree of a new cluster and composes its root commit, which the caller writes.
 * `publicKey` is the creator's, in OpenSSH's one-line form (`ssh-ed25519 AAAA…`).
 */
export async function composeRootCommit(
  store: ObjectStore,
  parts: { readonly clock: Clock; readonly name: string; readonly publicKey: string; readonly signer: Signer },
): Promise<CommitObject> {
  const { clock, name, publicKey, signer } = parts
  const author = authorOf(name, signer.node, clock)
  const tree = await rootTree(store, { node: signer.node, name, publicKey })
  const trailers = `Atoll-Clock: ${formatClock(clock)}\nAtoll-Node: ${signer.node}\nAtoll-Rules: ${RULES_VERSION}\n`
  const message = `${SUBJECT}\n\n${trailers}`
  assert(messagePattern.test(message), 'a message of ours has the form that we read')
  const unsigned: CommitObject = { tree, parents: [], author, committer: author, message }
  return { ...unsigned, signature: signer.sign(unsigned) }
}

/** Reads the form, and does not verify the signature. @throws REFUSED when it is not exactly as above. */
export function parseRootCommit(commit: CommitObject): RootCommit {
  if (commit.parents.length > 0) throw refusal('a root commit has no parent')
  const match = messagePattern.exec(commit.message)
  if (!match) throw refusal('the message of a root commit has another form')
  return { tree: commit.tree, rules: Number(match[3]), ...parseSignedTrailers(commit, match[1]!, match[2]!) }
}

/** The tree of a cluster that has its first member and nothing else. */
export async function rootTree(
  store: ObjectStore,
  creator: { readonly node: NodeId; readonly name: string; readonly publicKey: string },
): Promise<ObjectId> {
  const { node, name, publicKey } = creator
  const member = { addedBy: node, name, publicKey, role: 'admin', voter: true }
  const { tree } = await applyEdits(store, undefined, [
    jsonRecord(store, MEMBERS_COLLECTION, node as string as RecordId, member),
    jsonRecord(store, CLUSTER_COLLECTION, RULES_ID, { version: RULES_VERSION }),
  ])
  return tree
}

function jsonRecord(store: ObjectStore, collection: CollectionName, id: RecordId, value: JsonValue): RecordEdit {
  const bytes = encodeUtf8(canonicalJson(value))
  return { kind: 'objects', collection, id, content: { format: 'json', version: store.blobId(bytes), bytes } }
}

/** Does a root commit's tree hold exactly its creator's member record and the rules? @throws what the store throws */
export async function isRootTree(store: ObjectStore, commit: CommitObject): Promise<boolean> {
  const { tree, node, name, rules } = parseRootCommit(commit)
  if (rules !== RULES_VERSION) return false
  const ref = { kind: 'objects', collection: MEMBERS_COLLECTION, id: node as string as RecordId } as const
  const stored = await lookupRecord(store, tree, ref)
  if (stored === undefined) return false
  const publicKey = publicKeyOf(await store.readBlob(stored.version))
  return publicKey !== undefined && (await rootTree(store, { node, name, publicKey })) === tree
}

function publicKeyOf(memberRecord: Uint8Array): string | undefined {
  try {
    const value = parseCanonicalJson(decodeUtf8(memberRecord))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    const publicKey = value['publicKey']
    return typeof publicKey === 'string' && publicKeyPattern.test(publicKey) ? publicKey : undefined
  } catch {
    // Not canonical JSON: not the record that it would have to be.
    return undefined
  }
}
