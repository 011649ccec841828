/**
 * Names in the tree. Bytes of an id's UTF-8 that are `[A-Za-z0-9_-]` stay, every other byte is `%xx`; the first letter of a
 * Windows device name is escaped (`%63on`); the empty name is `%`. A name longer than 100 characters is cut into pieces of
 * 100, each but the last a directory that ends in `~`; a last piece that is a device name is escaped as a whole name is.
 * Total and reversible; only one spelling is accepted.
 *
 *     collection of Objects   objects/<directory>/
 *     small List              lists/<directory>.jsonl
 *     large List              lists/<directory>/
 *
 * A collection's directory is its name, but for a Windows device name before the first dot (`%63on.x`), a dot at the end
 * (`%2e`), and the dot of a final `.jsonl` (`%2ejsonl`: a large List must not meet the file of a small one). That holds for
 * Atoll's own collections (`.atoll.…`) too.
 */
import { isAtollError } from '../errors.ts'
import { type CollectionName, parseStoredCollectionName } from '../ids.ts'
import { MAX_FILE_NAME_LENGTH } from '../limits.ts'
import type { ByteString } from '../text.ts'
import { misplaced } from './misplaced.ts'

const deviceName = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/i
const plainName = /^[A-Za-z0-9_-]+$/
const encodedName = /^(?:[A-Za-z0-9_-]|%[0-9a-f]{2})+$/
const escapeByByte = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  return plainName.test(character) ? character : hexEscape(byte)
})

export function encodeName(name: ByteString): string {
  if (plainName.test(name)) return withoutDeviceName(name)
  if (name === '') return '%'
  let encoded = ''
  for (let i = 0; i < name.length; i++) encoded += escapeByByte[name.charCodeAt(i)]
  return encoded
}

/** @throws REFUSED when it is not what `encodeName` gives for any name */
export function decodeName(encoded: string): ByteString {
  if (plainName.test(encoded) && !deviceName.test(encoded)) return encoded
  if (encoded === '%') return ''
  if (encodedName.test(encoded)) {
    const name = unescape(encoded)
    if (encodeName(name) === encoded) return name
  }
  throw misplaced(`the name ${JSON.stringify(encoded.slice(0, 120))} is not spelled as it should be`)
}

/** Cuts the first piece off an encoded name; undefined when it is short enough to stay whole. */
export function cutName(encoded: string): { piece: string; rest: string } | undefined {
  if (encoded.length <= MAX_FILE_NAME_LENGTH) return undefined
  return { piece: encoded.slice(0, MAX_FILE_NAME_LENGTH), rest: encoded.slice(MAX_FILE_NAME_LENGTH) }
}

/** The last piece of a long name, which no device name may be. */
export function encodeLastPiece(piece: string): string {
  return withoutDeviceName(piece)
}

/** @throws REFUSED when it is a device name */
export function decodeLastPiece(encoded: string): string {
  if (deviceName.test(encoded)) throw misplaced(`the device name ${encoded} in a long name`)
  if (!encoded.startsWith('%')) return encoded
  const piece = unescape(encoded.slice(0, 3)) + encoded.slice(3)
  // No other encoding of a long name has an escaped letter, so this cannot be meant literally.
  return deviceName.test(piece) ? piece : encoded
}

export function collectionToDirectory(collection: CollectionName): string {
  let directory: string = collection
  const dot = directory.indexOf('.')
  if (dot < 0) directory = withoutDeviceName(directory)
  else directory = withoutDeviceName(directory.slice(0, dot)) + directory.slice(dot)
  if (directory.endsWith('.')) directory = `${directory.slice(0, -1)}%2e`
  if (directory.endsWith('.jsonl')) directory = `${directory.slice(0, -'.jsonl'.length)}%2ejsonl`
  return directory
}

/** @throws REFUSED */
export function directoryToCollection(directory: string): CollectionName {
  try {
    const collection = parseStoredCollectionName(unescape(directory))
    if (collectionToDirectory(collection) === directory) return collection
  } catch (error) {
    if (!isAtollError(error)) throw error
  }
  throw misplaced(`${JSON.stringify(directory.slice(0, 120))} is no directory of a collection`)
}

/** The name, its first letter escaped where Windows would take it for a device. */
function withoutDeviceName(name: string): string {
  return deviceName.test(name) ? hexEscape(name.charCodeAt(0)) + name.slice(1) : name
}

function unescape(encoded: string): ByteString {
  return encoded.replaceAll(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function hexEscape(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`
}
