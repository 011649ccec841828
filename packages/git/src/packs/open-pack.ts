import { readFile, stat } from 'node:fs/promises'
import { onFile } from '../files/system-errors.ts'
import type { WindowedFiles } from '../files/windowed-files.ts'
import { PackFile } from './pack-file.ts'
import { MemoryPackIndex, PagedPackIndex } from './pack-index.ts'

/** Indexes up to this stay in memory; larger ones are read in windows. */
const LARGEST_INDEX_IN_MEMORY = 1024 * 1024

/** A pack and its index as they were written to their files, which nobody changes. */
export interface WrittenPack {
  readonly index: Uint8Array
  readonly sizeBytes: number
  /** The pack itself, where it is in memory. */
  readonly chunks: readonly Uint8Array[] | undefined
}

/** The same as `openPack` for who wrote it, without a look at the disk. Undefined where its index is not to stay in memory. */
export function openWrittenPack(
  files: WindowedFiles,
  path: string,
  { index, sizeBytes, chunks }: WrittenPack,
): PackFile | undefined {
  if (index.length > LARGEST_INDEX_IN_MEMORY) return undefined
  const file = files.file(path, sizeBytes)
  if (chunks !== undefined) file.prime(chunks)
  return new PackFile(file, new MemoryPackIndex(Buffer.from(index.buffer, index.byteOffset, index.length)))
}

/**
 * Opens a pack by the path of its `.pack` file, its index beside it.
 *
 * @throws NOT_ACCESSIBLE, STORAGE_FAILED (the pack); MalformedObject (a damaged index); system errors of the index
 */
export async function openPack(files: WindowedFiles, path: string): Promise<PackFile> {
  const sizeBytes = await onFile(path, async () => (await stat(path)).size)
  const indexPath = `${path.slice(0, -'.pack'.length)}.idx`
  const { size } = await stat(indexPath)
  const index =
    size <= LARGEST_INDEX_IN_MEMORY
      ? new MemoryPackIndex(await readFile(indexPath))
      : await PagedPackIndex.open(files.file(indexPath, size))
  return new PackFile(files.file(path, sizeBytes), index)
}
