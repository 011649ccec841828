import { parseNodeId } from '@atolldb/core'
import type { CommitObject, NodeId, Signer, VerifyCommitSignature } from '@atolldb/core'

const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ'
const digits = '123456789abcdefghijkmnop'

/** Node ids of the right form, of nobody's key; 600 different ones. */
export function fakeNodeId(number: number): NodeId {
  const round = Math.floor(number / letters.length)
  const last = round === 0 ? '' : digits[round - 1]!
  return parseNodeId(`12D3KooW${letters[number % letters.length]!.repeat(44 - last.length)}${last}`)
}

/** Signs by writing down node and message; `verifyFakeSignature` agrees with it and with nothing else. */
export function fakeSigner(node: NodeId): Signer {
  return { node, sign: commit => fakeSignature(commit, node) }
}

export const verifyFakeSignature: VerifyCommitSignature = (commit, node) =>
  commit.signature === fakeSignature(commit, node)

function fakeSignature({ tree, parents, message }: CommitObject, node: NodeId): string {
  const signed = JSON.stringify([node, tree, parents, message])
  return `-----BEGIN SSH SIGNATURE-----\n${signed}\n-----END SSH SIGNATURE-----`
}
