/**
 * SSH signatures of commits (OpenSSH PROTOCOL.sshsig; git: `gpg.format=ssh`), in the one form that we make and accept:
 * Ed25519, namespace `git`, SHA-512. All but the last 64 bytes follows from the signer's key:
 *
 *     "SSHSIG"  uint32 1  string(public key)  string("git")  string("")  string("sha512")  string(signature)
 *     public key = string("ssh-ed25519") string(32 bytes)      signature = string("ssh-ed25519") string(64 bytes)
 *
 * with string(x) = uint32 length, x; in base64 lines of 70 characters between the armour's lines. Signed is
 *
 *     "SSHSIG"  string("git")  string("")  string("sha512")  string(SHA-512 of the commit without its signature)
 */
import { hash, sign, verify, type KeyObject } from 'node:crypto'
import type { CommitObject, NodeId, Signer, VerifyCommitSignature } from '@atolldb/core'
import { LRUCache } from 'lru-cache'
import { encodeUnsignedCommit } from '../objects/commit.ts'
import {
  nodeIdFromPublicKey,
  privateKeyFromSeed,
  publicKeyFromNodeId,
  publicKeyObject,
  publicKeyOf,
} from './node-key.ts'

const ARMOUR_BEGIN = '-----BEGIN SSH SIGNATURE-----'
const ARMOUR_END = '-----END SSH SIGNATURE-----'
const ARMOUR_LINE_LENGTH = 70
const SIGNATURE_BYTES = 64
const KEY_TYPE = 'ssh-ed25519'
const magic = Buffer.from('SSHSIG')
const parameters = Buffer.concat([string('git'), string(''), string('sha512')])

/** Signs as the node of this key: a 32-byte Ed25519 seed or a private KeyObject. About 16,000 a second. */
export function createSigner(privateKey: Uint8Array | KeyObject): Signer {
  const key = privateKey instanceof Uint8Array ? privateKeyFromSeed(privateKey) : privateKey
  const publicKey = publicKeyOf(key)
  const start = signatureStart(publicKey)
  return {
    node: nodeIdFromPublicKey(publicKey),
    sign: commit => armour(Buffer.concat([start, sign(null, signedBytes(commit), key)])),
  }
}

interface Verifier {
  readonly key: KeyObject
  readonly start: Buffer
}

// Making a KeyObject costs a tenth of a verification; clusters are small.
const verifierByNode = new LRUCache<NodeId, Verifier>({ max: 256 })

/**
 * Agrees with `git verify-commit` where git accepts, and is stricter in form: one armour, one layout, nothing after it.
 */
export const verifyCommitSignature: VerifyCommitSignature = (commit: CommitObject, node: NodeId): boolean => {
  if (commit.signature === undefined) return false
  try {
    const { key, start } = verifierOf(node)
    const bytes = unarmour(commit.signature, start.length + SIGNATURE_BYTES)
    if (bytes === undefined || !start.equals(bytes.subarray(0, start.length))) return false
    return verify(null, signedBytes(commit), key, bytes.subarray(start.length))
  } catch {
    // A node id that holds no key, or a key that is no point of the curve.
    return false
  }
}

/** A line for git's `gpg.ssh.allowedSignersFile` (ssh-keygen(1), ALLOWED SIGNERS). */
export function allowedSignersLine(node: NodeId, email: string): string {
  const key = encodePublicKey(publicKeyFromNodeId(node)).toString('base64')
  return `${email} namespaces="git" ${KEY_TYPE} ${key}`
}

function verifierOf(node: NodeId): Verifier {
  let verifier = verifierByNode.get(node)
  if (verifier === undefined) {
    const publicKey = publicKeyFromNodeId(node)
    verifier = { key: publicKeyObject(publicKey), start: signatureStart(publicKey) }
    verifierByNode.set(node, verifier)
  }
  return verifier
}

function signedBytes(commit: CommitObject): Buffer {
  return Buffer.concat([magic, parameters, string(hash('sha512', encodeUnsignedCommit(commit), 'buffer'))])
}

/** Everything before the signature proper. */
function signatureStart(publicKey: Uint8Array): Buffer {
  const signatureHead = Buffer.concat([string(KEY_TYPE), uint32(SIGNATURE_BYTES)])
  return Buffer.concat([
    magic,
    uint32(1),
    string(encodePublicKey(publicKey)),
    parameters,
    uint32(signatureHead.length + SIGNATURE_BYTES),
    signatureHead,
  ])
}

function encodePublicKey(publicKey: Uint8Array): Buffer {
  return Buffer.concat([string(KEY_TYPE), string(publicKey)])
}

function armour(bytes: Buffer): string {
  const base64 = bytes.toString('base64')
  let text = ARMOUR_BEGIN
  for (let at = 0; at < base64.length; at += ARMOUR_LINE_LENGTH)
    text += `\n${base64.slice(at, at + ARMOUR_LINE_LENGTH)}`
  return `${text}\n${ARMOUR_END}`
}

/** The bytes, if they are as many as told and the text is exactly their armour. */
function unarmour(text: string, length: number): Buffer | undefined {
  if (text.length > length * 2 + ARMOUR_BEGIN.length + ARMOUR_END.length) return undefined
  const base64 = text.slice(ARMOUR_BEGIN.length, -ARMOUR_END.length)
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length === length && armour(bytes) === text ? bytes : undefined
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function string(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint32(bytes.length), bytes])
}
