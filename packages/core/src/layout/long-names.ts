/**
 * Entries whose names are too long for one file name lie in directories that end in `~`: to the rest of the layout they are
 * entries of one directory with long names.
 */
import type { ObjectReader, ObjectWriter, TreeEntry } from '../contracts/object-store.ts'
import type { ObjectId } from '../ids.ts'
import { MAX_FILE_NAME_LENGTH, MAX_ID_BYTES } from '../limits.ts'
import { misplaced } from './misplaced.ts'
import { namePart, splitName } from './names.ts'

const MAX_PARTS = Math.ceil((MAX_ID_BYTES * 3) / MAX_FILE_NAME_LENGTH) + 1
const extension = /\.(?:json|bin|jsonl)$/

/** The entries of a directory, those in its `~` directories with their whole names. @throws REFUSED */
export async function readLongEntries(
  reader: ObjectReader,
  entries: readonly TreeEntry[],
  depth = 0,
): Promise<readonly TreeEntry[]> {
  if (!entries.some(entry => entry.name.endsWith('~'))) return entries
  const whole: TreeEntry[] = []
  for (const entry of entries) {
    const part = entry.type === 'tree' ? namePart(entry.name) : undefined
    if (part === undefined) {
      whole.push(entry)
      continue
    }
    if (part.length !== MAX_FILE_NAME_LENGTH || depth === MAX_PARTS) throw misplaced('a long name is cut wrongly')
    for (const inside of await readLongEntries(reader, await reader.readTree(entry.id), depth + 1))
      whole.push({ ...inside, name: part + inside.name })
  }
  return whole
}

/** Writes the tree of a directory; the opposite of `readLongEntries`. */
export function writeLongEntries(writer: ObjectWriter, entries: readonly TreeEntry[]): ObjectId {
  const here: TreeEntry[] = []
  const insideByDirectory = new Map<string, TreeEntry[]>()
  for (const entry of entries) {
    if (entry.name.length <= MAX_FILE_NAME_LENGTH) {
      here.push(entry)
      continue
    }
    // The extension does not count: it goes with the last part.
    const suffix = entry.type === 'blob' ? (extension.exec(entry.name)?.[0] ?? '') : ''
    const { directories } = splitName(entry.name.slice(0, entry.name.length - suffix.length))
    const [directory] = directories
    if (directory === undefined) {
      here.push(entry)
      continue
    }
    const inside = insideByDirectory.get(directory)
    const rest = { ...entry, name: entry.name.slice(MAX_FILE_NAME_LENGTH) }
    if (inside === undefined) insideByDirectory.set(directory, [rest])
    else inside.push(rest)
  }
  for (const [name, inside] of insideByDirectory)
    here.push({ name, type: 'tree', id: writeLongEntries(writer, inside) })
  return writer.writeTree(here)
}
