import type { Signer } from '@atolldb/core'
import { allowedSignersLine, createSigner, privateKeyFromSeed } from '@atolldb/git'
import { fakeNodeId, fakeSigner } from './fake-signer.ts'

/** Who a node of a history is. */
export interface HistoryIdentity {
  readonly signer: Signer
  /** In OpenSSH's one-line form. */
  readonly publicKey: string
}

/** Cheap, and no node believes it. */
export function fakeIdentity(number: number): HistoryIdentity {
  return { signer: fakeSigner(fakeNodeId(number)), publicKey: `ssh-ed25519 ${'A'.repeat(68)}` }
}

/** With a key of its own, the same at all times. */
export function keyedIdentity(number: number): HistoryIdentity {
  const signer = createSigner(privateKeyFromSeed(new Uint8Array(32).fill(number + 1)))
  const [, , ...key] = allowedSignersLine(signer.node, signer.node).split(' ')
  return { signer, publicKey: key.join(' ') }
}
