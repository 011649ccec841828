/**
 * Names in the tree. Bytes of an id's UTF-8 that are `[A-Za-z0-9_-]` stay, every other byte is `%xx`; the first letter of a
 * Windows device name is escaped (`%63on`); the empty name is `%`. A name longer than 100 characters is cut into pieces of
 * 100, each but the last a directory that ends in `~`. Total and reversible; only one spelling is accepted.
 *
 *     collection of Objects   objects/<directory>/
 *     small List              lists/<directory>.jsonl
 *     large List              lists/<directory>/
 *
 * A collection's directory is its name, but for a Windows device name before the first dot (`%63on.x`), a dot at the end
 * (`%2e`), and the dot of a final `.jsonl` (`%2ejsonl`: a large List must not meet the file of a small one).
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
  if (plainName.test(name)) return deviceName.test(name) ? hexEscape(name.charCodeAt(0)) + name.slice(1) : name
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
    const name = encoded.replaceAll(/%([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    if (encodeName(name) === encoded) return name
  }
  throw misplaced(`the name ${JSON.stringify(encoded.slice(0, 120))} is not spelled as it should be`)
}

/** The directories that a long name goes through, and the name within the last. */
export function splitName(encoded: string): { directories: string[]; name: string } {
  const directories: string[] = []
  let rest = encoded
  while (rest.length > MAX_FILE_NAME_LENGTH) {
    directories.push(`${rest.slice(0, MAX_FILE_NAME_LENGTH)}~`)
    rest = rest.slice(MAX_FILE_NAME_LENGTH)
  }
  return { directories, name: rest }
}

/** The part of a long name that a directory holds, or undefined when the directory is no such part. */
export function namePart(directory: string): string | undefined {
  return directory.endsWith('~') ? directory.slice(0, -1) : undefined
}

export function collectionToDirectory(collection: CollectionName): string {
  if (collection.startsWith('.')) return collection
  let directory: string = collection
  const dot = directory.indexOf('.')
  if (deviceName.test(dot < 0 ? directory : directory.slice(0, dot)))
    directory = hexEscape(directory.charCodeAt(0)) + directory.slice(1)
  if (directory.endsWith('.')) directory = `${directory.slice(0, -1)}%2e`
  if (directory.endsWith('.jsonl')) directory = `${directory.slice(0, -'.jsonl'.length)}%2ejsonl`
  return directory
}

/** @throws REFUSED */
export function directoryToCollection(directory: string): CollectionName {
  try {
    const name = directory.replaceAll(/%([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    const collection = parseStoredCollectionName(name)
    if (collectionToDirectory(collection) === directory) return collection
  } catch (error) {
    if (!isAtollError(error)) throw error
  }
  throw misplaced(`${JSON.stringify(directory.slice(0, 120))} is no directory of a collection`)
}

function hexEscape(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`
}
