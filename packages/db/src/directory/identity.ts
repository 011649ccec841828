/**
 * `identity.key`: the node's Ed25519 key as PKCS #8 in PEM (RFC 8410), mode 0600. It is the libp2p peer id and the commit
 * signing key in one.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type AtollError, corrupt, type Signer } from '@atolldb/core'
import { createSigner, writeFileDurably } from '@atolldb/git'
import { readTextIfThere } from './data-directory.ts'

export interface NodeIdentity {
  readonly signer: Signer
  /** The key's 32-byte seed, for libp2p. */
  readonly seed: Uint8Array
}

/**
 * Reads the node's key, which must be that of `node` where that is known: one flipped bit makes another good key of it. A new
 * node makes one.
 * @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED
 */
export async function loadIdentity(
  file: string,
  { node, isNew = false }: { node?: string | undefined; isNew?: boolean },
): Promise<NodeIdentity> {
  const pem = await readTextIfThere(file)
  if (pem !== undefined) {
    const identity = identityOf(parseKey(file, pem))
    if (node !== undefined && node !== identity.signer.node) throw damaged(file, `not the key of the node ${node}`)
    return identity
  }
  if (!isNew) throw damaged(file, 'it is not there')
  return createIdentity(file)
}

/** Makes a key in the place of what is there. @throws NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED */
export async function createIdentity(file: string): Promise<NodeIdentity> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const text = privateKey.export({ format: 'pem', type: 'pkcs8' })
  await writeFileDurably(file, Buffer.from(text), { mode: 0o600 })
  return identityOf(privateKey)
}

function parseKey(file: string, pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (cause) {
    throw damaged(file, NO_KEY, cause)
  }
  if (key.asymmetricKeyType !== 'ed25519') throw damaged(file, NO_KEY)
  return key
}

const NO_KEY = 'not an Ed25519 key in PEM'

const NEW_IDENTITY = 'restore it from a backup; or become a new node with atoll doctor --repair --new-identity'

function damaged(file: string, reason: string, cause?: unknown): AtollError<'CORRUPT'> {
  return corrupt(file, reason, { repair: NEW_IDENTITY, cause })
}

function identityOf(key: KeyObject): NodeIdentity {
  const { d } = key.export({ format: 'jwk' })
  return { signer: createSigner(key), seed: Buffer.from(d ?? '', 'base64url') }
}
