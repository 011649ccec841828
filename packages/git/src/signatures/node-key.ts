/**
 * Node ids and Ed25519 keys. A node id is the libp2p peer id of the node's key: base58btc, without a multibase prefix, of
 *
 *     00 24        identity multihash of 36 bytes
 *     08 01 12 20  protobuf PublicKey: Type = Ed25519, Data of 32 bytes
 *     <32 bytes>   the public key
 *
 * (libp2p specs, "Peer Ids and Keys").
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { assert, invalid, parseNodeId, type NodeId } from '@atolldb/core'
import { base58btc } from 'multiformats/bases/base58'

export const PUBLIC_KEY_BYTES = 32
const nodeIdPrefix = Buffer.from('002408011220', 'hex')
// The DER around a raw key (RFC 8410).
const privateKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicKeyPrefix = Buffer.from('302a300506032b6570032100', 'hex')

export function nodeIdFromPublicKey(publicKey: Uint8Array): NodeId {
  assert(publicKey.length === PUBLIC_KEY_BYTES, 'an Ed25519 public key has 32 bytes')
  return parseNodeId(base58btc.baseEncode(Buffer.concat([nodeIdPrefix, publicKey])))
}

/** The 32 bytes of the key. @throws INVALID when it is not the peer id of an Ed25519 key in its one spelling. */
export function publicKeyFromNodeId(node: NodeId): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(node)
  } catch {
    throw invalid('node id', 'is not base58')
  }
  const key = bytes.subarray(nodeIdPrefix.length)
  if (key.length !== PUBLIC_KEY_BYTES || !nodeIdPrefix.equals(bytes.subarray(0, nodeIdPrefix.length)))
    throw invalid('node id', 'is not an Ed25519 peer id')
  return key
}

/** @throws TypeError when the seed has not 32 bytes. */
export function privateKeyFromSeed(seed: Uint8Array): KeyObject {
  if (seed.length !== PUBLIC_KEY_BYTES) throw new TypeError('an Ed25519 seed has 32 bytes')
  return createPrivateKey({ key: Buffer.concat([privateKeyPrefix, seed]), format: 'der', type: 'pkcs8' })
}

/** The raw public key of an Ed25519 key pair. */
export function publicKeyOf(privateKey: KeyObject): Uint8Array {
  assert(privateKey.asymmetricKeyType === 'ed25519', 'node keys are Ed25519')
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(publicKeyPrefix.length)
}

/** For `crypto.verify`. */
export function publicKeyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([publicKeyPrefix, publicKey]), format: 'der', type: 'spki' })
}
