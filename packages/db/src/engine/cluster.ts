import { AtollError, type CommitGraph, type CommitId, composeRootCommit, type HybridClock } from '@atolldb/core'
import { allowedSignersLine, type Repository } from '@atolldb/git'
import type { NodeIdentity } from '../directory/identity.ts'
import type { SettingsFile } from '../directory/settings.ts'
import type { Branch } from './branch.ts'

export interface ClusterParts {
  readonly settings: SettingsFile
  readonly branch: Branch
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly identity: NodeIdentity
  readonly clock: HybridClock
  readonly name: string
}

export interface ClusterWishes {
  /** The cluster to belong to. */
  readonly asked: CommitId | undefined
  /** It was told, now or before, of peers to join by: then it never founds a cluster of its own. */
  readonly joins: boolean
}

/**
 * Settles which cluster a node belongs to: the one it always belonged to, the one it is told, or a new one of its own. One
 * that joins by bootstrap learns it at first contact.
 * @throws OTHER_CLUSTER when it is told another one than its own
 */
export async function resolveCluster(parts: ClusterParts, wishes: ClusterWishes): Promise<void> {
  const { settings, branch } = parts
  const { asked, joins } = wishes
  const known = settings.current.cluster ?? (await rootOfMain(parts))
  if (known !== undefined) {
    if (asked !== undefined && asked !== known) throw otherCluster(known, asked)
    if (settings.current.cluster !== known) await settings.change({ cluster: known })
    // Founded, but a crash came before `main` named it, or joined and not met yet.
    if (branch.state === undefined && (await parts.repository.has(known))) await begin(parts, known)
    return
  }
  if (asked !== undefined) return settings.change({ cluster: asked })
  if (!joins) await found(parts)
}

/** Makes the root commit of a new cluster; durable when it resolves. */
async function found(parts: ClusterParts): Promise<void> {
  const { repository, identity, clock, name, settings } = parts
  const { signer } = identity
  const [, , ...key] = allowedSignersLine(signer.node, signer.node).split(' ')
  const stage = repository.stage()
  const commit = await composeRootCommit(stage, { clock: clock.tick(), name, publicKey: key.join(' '), signer })
  const cluster = stage.writeCommit(commit)
  await stage.commit()
  await settings.change({ cluster })
  await begin(parts, cluster)
}

async function begin({ branch, graph }: ClusterParts, cluster: CommitId): Promise<void> {
  const { tree } = await graph.node(cluster)
  await branch.move({ main: cluster, heads: [cluster], tree })
}

/** Where the settings were lost, the history still knows. */
async function rootOfMain({ branch, graph }: ClusterParts): Promise<CommitId | undefined> {
  if (branch.state === undefined) return undefined
  let node = await graph.node(branch.state.main)
  for (let parent = node.parents[0]; parent !== undefined; parent = node.parents[0]) node = await graph.node(parent)
  return node.id
}

function otherCluster(ours: CommitId, theirs: CommitId): AtollError<'OTHER_CLUSTER'> {
  return new AtollError('OTHER_CLUSTER', `this node belongs to the cluster ${ours}, not to ${theirs}`, { ours, theirs })
}
