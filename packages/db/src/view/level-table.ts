/**
 * Are the tables of a LevelDB as it wrote them? It verifies no checksums of its own accord: a damaged block hides records, gives
 * wrong ones, or ends the process by a failed assertion. So tables are looked through before LevelDB gets them.
 *
 * The format (LevelDB `doc/table_format.md`), integers little-endian:
 *
 *     table  = blocks, footer
 *     block  = data, compression (u8: 0 none, 1 Snappy), CRC-32C of both, masked (u32)
 *     footer = handle of the metaindex, handle of the index, zeros up to 40 bytes, magic (8 bytes)
 *     handle = offset, length of a block's data (varints)
 *     index  = entries and where some of them begin (u32 each), how many of those (u32)
 *     entry  = bytes shared with the key before, more bytes of the key, length of the value (varints), key, value: a handle
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { onFile } from '@atolldb/git'
import { breathe } from '../scheduling/breathe.ts'
import { hasChecksum } from './level-checksum.ts'
import { readVarint, uncompressSnappy } from './snappy.ts'

const FOOTER_BYTES = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
const TRAILER_BYTES = 5
/** What most tables have, and a little more. */
const TABLE_BYTES = 2.25 * 1024 * 1024
const SNAPPY = 1

/**
 * True where a finished table has a damaged block. Looks at the newest tables first, up to `maxBytes` of them: a gigabyte takes
 * seconds. A table without its footer was never finished; where LevelDB needs it, it says so. @throws NOT_ACCESSIBLE,
 * STORAGE_FAILED
 */
export async function hasDamagedTable(directory: string, maxBytes: number): Promise<boolean> {
  let left = maxBytes
  const reader = new FileReader()
  for (const name of await tableNames(directory)) {
    const path = join(directory, name)
    const bytes = await onFile(path, () => reader.read(path))
    left -= bytes.length
    if (left < 0) return false
    if (isFinished(bytes) && !isWhole(bytes)) return true
    await breathe()
  }
  return false
}

/** Reads files one after the other into the same memory: a buffer each would wait for a large garbage collection. */
class FileReader {
  #buffer = Buffer.alloc(0)

  /** A whole file: a view that is good until the next is read. Throws system errors. */
  async read(path: string): Promise<Buffer> {
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      if (size > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(Math.max(size, TABLE_BYTES))
      let filled = 0
      while (filled < size) {
        const { bytesRead } = await handle.read(this.#buffer, filled, size - filled, filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return this.#buffer.subarray(0, filled)
    } finally {
      await handle.close()
    }
  }
}

/** The newest first. */
async function tableNames(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory))
      .filter(name => /^\d+\.(?:ldb|sst)$/.test(name))
      .toSorted()
      .reverse()
  } catch {
    // LevelDB finds the same in its way, and knows whether that is damage or just not there yet.
    return []
  }
}

function isFinished(bytes: Buffer): boolean {
  return bytes.length >= FOOTER_BYTES && bytes.subarray(-MAGIC.length).equals(MAGIC)
}

function isWhole(bytes: Buffer): boolean {
  try {
    const footer = bytes.subarray(-FOOTER_BYTES)
    const metaindex = readHandle(footer, 0)
    const index = readHandle(footer, metaindex.end)
    const metas = handlesOf(readBlock(bytes, metaindex))
    for (const handle of [...metas, ...handlesOf(readBlock(bytes, index))]) readBlock(bytes, handle, false)
    return true
  } catch {
    // Whatever cannot be read as the format says is damaged.
    return false
  }
}

interface Handle {
  readonly offset: number
  readonly length: number
  /** Where the bytes of the handle end. */
  readonly end: number
}

function readHandle(bytes: Buffer, at: number): Handle {
  const offset = readVarint(bytes, at)
  const length = readVarint(bytes, offset.end)
  return { offset: offset.value, length: length.value, end: length.end }
}

/** A block's data, its checksum verified. @throws any error when it is not a block */
function readBlock(bytes: Buffer, { offset, length }: Handle, wanted = true): Buffer {
  const end = offset + length
  if (end + TRAILER_BYTES > bytes.length) throw new RangeError('a block beyond the end')
  if (!hasChecksum(bytes.subarray(offset, end + 1), bytes.readUInt32LE(end + 1)))
    throw new RangeError('a damaged block')
  const data = bytes.subarray(offset, end)
  return wanted && bytes[end] === SNAPPY ? uncompressSnappy(data) : data
}

/** The values of a block whose values are handles. */
function handlesOf(block: Buffer): Handle[] {
  const handles: Handle[] = []
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
  for (let at = 0; at < end;) {
    const shared = readVarint(block, at)
    const more = readVarint(block, shared.end)
    const valueLength = readVarint(block, more.end)
    const valueAt = valueLength.end + more.value
    handles.push(readHandle(block, valueAt))
    at = valueAt + valueLength.value
  }
  return handles
}
