/**
 * `identity.key`: the node's Ed25519 key as PKCS #8 in PEM (RFC 8410), mode 0600. It is the libp2p peer id and the commit
 * signing key in one.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { AtollError, type Signer } from '@atolldb/core'
import { createSigner, writeFileDurably } from '@atolldb/git'
import { readTextIfThere } from './data-directory.ts'

export interface NodeIdentity {
  readonly signer: Signer
  /** The key's 32-byte seed, for libp2p. */
  readonly seed: Uint8Array
}

/** Reads the node's key; a new node makes one. @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED */
export async function loadIdentity(file: string, isNew: boolean): Promise<NodeIdentity> {
  const pem = await readTextIfThere(file)
  if (pem !== undefined) return identityOf(parseKey(file, pem))
  if (!isNew) throw damaged(file)
  const { privateKey } = generateKeyPairSync('ed25519')
  const text = privateKey.export({ format: 'pem', type: 'pkcs8' })
  await writeFileDurably(file, Buffer.from(text), { mode: 0o600 })
  return identityOf(privateKey)
}

function parseKey(file: string, pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw damaged(file, cause)
  }
  throw damaged(file)
}

function damaged(file: string, cause?: unknown): AtollError<'CORRUPT'> {
  const reason = 'not an Ed25519 key in PEM; restore it from a backup, or remove it to become a new node'
  return new AtollError('CORRUPT', `${file}: ${reason}`, { file, reason }, { cause })
}

function identityOf(key: KeyObject): NodeIdentity {
  const { d } = key.export({ format: 'jwk' })
  return { signer: createSigner(key), seed: Buffer.from(d ?? '', 'base64url') }
}
