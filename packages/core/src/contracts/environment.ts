import type { CommitObject } from './object-store.ts'
import type { NodeId } from '../ids.ts'

/** What core may not take from the world by itself; the simulator hands in its own. */
export interface Environment {
  /** Wall clock, milliseconds since 1970; may jump in either direction. */
  nowMs(): number
  /** Monotonic clock in milliseconds, from any origin. */
  monotonicMs(): number
  /** Cryptographically random in production, seeded in simulation. */
  randomBytes(length: number): Uint8Array
}

/** Signs commits as this node. */
export interface Signer {
  readonly node: NodeId
  /** An armoured SSHSIG (namespace `git`, SHA-512) over the commit's encoding without its signature; no trailing newline. */
  sign(commit: CommitObject): string
}

/** Is the commit's signature an SSHSIG by the key that the node id contains, over exactly this commit? Never throws. */
export type VerifyCommitSignature = (commit: CommitObject, node: NodeId) => boolean
