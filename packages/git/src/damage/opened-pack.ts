import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectId } from '@atolldb/core'
import { onFile } from '../files/system-errors.ts'
import { type RandomAccessFile, WindowedFiles } from '../files/windowed-files.ts'
import { CHECKSUM_BYTES } from '../packs/pack-format.ts'
import { PackFile } from '../packs/pack-file.ts'
import { MemoryPackIndex, type PackIndex } from '../packs/pack-index.ts'

const CACHE_BYTES = 4 * 1024 * 1024

export function packPaths(packDirectory: string, name: string): { pack: string; index: string } {
  const stem = join(packDirectory, `pack-${name}`)
  return { pack: `${stem}.pack`, index: `${stem}.idx` }
}

/** The index of a pack, whole, in memory: 32 bytes an object. @throws MalformedObject; NOT_ACCESSIBLE, STORAGE_FAILED */
export async function readIndex(path: string): Promise<MemoryPackIndex> {
  return new MemoryPackIndex(await onFile(path, () => readFile(path)))
}

/** Runs work with a pack file that is read through a few windows, and closes it. */
export async function withPackFile<Result>(
  path: string,
  index: PackIndex,
  work: (pack: PackFile, file: RandomAccessFile) => Promise<Result>,
  { mayBeTruncated = false }: { mayBeTruncated?: boolean } = {},
): Promise<Result> {
  const sizeBytes = await onFile(path, async () => (await stat(path)).size)
  const files = new WindowedFiles(CACHE_BYTES)
  const file = files.file(path, sizeBytes)
  try {
    return await onFile(path, () => work(new PackFile(mayBeTruncated ? withoutTrailer(file) : file, index), file))
  } finally {
    await files.close()
  }
}

/** Where the end is lost, the last bytes need not be a checksum. */
function withoutTrailer(file: RandomAccessFile): RandomAccessFile {
  return {
    path: file.path,
    sizeBytes: file.sizeBytes + CHECKSUM_BYTES,
    read: (position, length) => file.read(position, length),
    atHand: position => file.atHand(position),
    release: () => file.release(),
  }
}

/** An index that grows while a pack is read from its beginning: for deltas that name their base. */
export class GrowingIndex implements PackIndex {
  readonly packChecksum = Buffer.alloc(CHECKSUM_BYTES)
  readonly #offsets = new Map<ObjectId, number>()

  get objectCount(): number {
    return this.#offsets.size
  }

  add(id: ObjectId, offset: number): void {
    this.#offsets.set(id, offset)
  }

  find(id: ObjectId): number | undefined {
    return this.#offsets.get(id)
  }

  findAtHand(id: ObjectId): number | undefined {
    return this.find(id)
  }

  async idsWithPrefix(prefix: string): Promise<ObjectId[]> {
    return [...this.#offsets.keys()].filter(id => id.startsWith(prefix)).sort()
  }

  async release(): Promise<void> {
    // All of it is in memory.
  }
}
