/**
 * Entries whose names are too long for one file name lie in directories that end in `~`: to the rest of the layout they are
 * entries of one directory with long names. An extension does not count: it goes with the last piece.
 */
import type { ObjectReader, ObjectWriter, TreeEntry } from '../contracts/object-store.ts'
import type { ObjectId } from '../ids.ts'
import { MAX_FILE_NAME_LENGTH, MAX_ID_BYTES } from '../limits.ts'
import { misplaced } from './misplaced.ts'
import { cutName, decodeLastPiece, encodeLastPiece } from './names.ts'

/** A byte is at most three characters. */
const MAX_NAME_LENGTH = MAX_ID_BYTES * 3
/** A child for each byte, and the record at the prefix; a leaf has fewer. */
const MAX_NODE_ENTRIES = 257

/**
 * The entries of a node's directory, those in its `~` directories with their whole names. Strangers may hang one `~` directory
 * in many places, so that a few trees have endless paths: what is read is bounded by the entries that a node can have.
 *
 * @throws REFUSED
 */
export async function readLongEntries(
  reader: ObjectReader,
  entries: readonly TreeEntry[],
): Promise<readonly TreeEntry[]> {
  const whole: TreeEntry[] = []
  await collectEntries(reader, entries, '', whole)
  return whole
}

async function collectEntries(
  reader: ObjectReader,
  entries: readonly TreeEntry[],
  pieces: string,
  whole: TreeEntry[],
): Promise<void> {
  if (entries.length === 0) throw misplaced('an empty directory')
  for (const entry of entries) {
    if (entry.type === 'tree' && entry.name.endsWith('~')) {
      const piece = entry.name.slice(0, -1)
      if (piece.length !== MAX_FILE_NAME_LENGTH || pieces.length + piece.length > MAX_NAME_LENGTH)
        throw misplaced('a long name is cut wrongly')
      await collectEntries(reader, await reader.readTree(entry.id), pieces + piece, whole)
      continue
    }
    const { stem, extension } = splitExtension(entry.name)
    if (stem.length > MAX_FILE_NAME_LENGTH) throw misplaced('a long name is not cut')
    whole.push(pieces === '' ? entry : { ...entry, name: pieces + decodeLastPiece(stem) + extension })
    if (whole.length > MAX_NODE_ENTRIES) throw misplaced('more entries in a directory than a node has')
  }
}

/** Writes the tree of a directory; the opposite of `readLongEntries`. */
export function writeLongEntries(writer: ObjectWriter, entries: readonly TreeEntry[]): ObjectId {
  return writeEntries(writer, entries, false)
}

function writeEntries(writer: ObjectWriter, entries: readonly TreeEntry[], isCut: boolean): ObjectId {
  const here: TreeEntry[] = []
  const insideByPiece = new Map<string, TreeEntry[]>()
  for (const entry of entries) {
    const { stem, extension } = splitExtension(entry.name)
    const cut = cutName(stem)
    if (cut === undefined) {
      here.push(isCut ? { ...entry, name: encodeLastPiece(stem) + extension } : entry)
      continue
    }
    const inside = insideByPiece.get(cut.piece)
    const rest = { ...entry, name: cut.rest + extension }
    if (inside === undefined) insideByPiece.set(cut.piece, [rest])
    else inside.push(rest)
  }
  for (const [piece, inside] of insideByPiece)
    here.push({ name: `${piece}~`, type: 'tree', id: writeEntries(writer, inside, true) })
  return writer.writeTree(here)
}

/** Encoded names have no dots, so the first one begins the extension. */
function splitExtension(name: string): { stem: string; extension: string } {
  const dot = name.indexOf('.')
  return dot < 0 ? { stem: name, extension: '' } : { stem: name.slice(0, dot), extension: name.slice(dot) }
}
