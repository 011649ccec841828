/**
 * Does a LevelDB have every write that its logs were given? LevelDB drops a damaged block of a log and what it held, goes on with
 * the next block and says nothing. Then a mark that came later would vouch for records that are not there, so the logs are
 * looked through before LevelDB gets them.
 *
 * The format (LevelDB `doc/log_format.md`, `db/write_batch.cc`), integers little-endian:
 *
 *     log    = blocks of 32 KiB
 *     block  = chunks; fewer than 7 bytes at its end are zeros
 *     chunk  = CRC-32C of type and data, masked (u32), length of data (u16), type (u8: 1 full, 2 first, 3 middle, 4 last), data
 *     record = the data of one full chunk, or of a first, middle ones and a last
 *            = sequence number of its first write (u64), number of writes (u32), writes
 *
 * Sequence numbers have no gaps, from one log to the next either.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onFile } from '@atolldb/git'
import { hasChecksum } from './level-checksum.ts'

const BLOCK_BYTES = 32 * 1024
const CHUNK_HEADER_BYTES = 7
const RECORD_HEADER_BYTES = 12
const FULL = 1
const FIRST = 2
const LAST = 4

/**
 * True where the logs of a LevelDB lack something in front of what they hold. An end that is cut off is no damage: it is as if
 * the last writes had never been. @throws NOT_ACCESSIBLE, STORAGE_FAILED
 */
export async function lacksWrites(directory: string): Promise<boolean> {
  const chain = new SequenceChain()
  for (const name of await logNames(directory)) {
    const path = join(directory, name)
    const bytes = await onFile(path, () => readFile(path))
    if (!isWholeLog(bytes, chain)) return true
  }
  return false
}

async function logNames(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter(name => /^\d+\.log$/.test(name)).toSorted()
  } catch {
    // LevelDB finds the same in its way, and knows whether that is damage or just not there yet.
    return []
  }
}

function isWholeLog(bytes: Buffer, chain: SequenceChain): boolean {
  for (let at = 0; ;) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < CHUNK_HEADER_BYTES) {
      at += left
      continue
    }
    const data = at + CHUNK_HEADER_BYTES
    if (data > bytes.length) return true
    const end = data + bytes.readUInt16LE(at + 4)
    const type = bytes.readUInt8(at + 6)
    if (end > at + left || type < FULL || type > LAST) return isBlank(bytes.subarray(at))
    if (end > bytes.length) return true
    if (!hasChecksum(bytes.subarray(at + 6, end), bytes.readUInt32LE(at))) return isBlank(bytes.subarray(at))
    if (!chain.take(type, bytes.subarray(data, end))) return false
    at = end
  }
}

/** Room that a file was given and that nothing was written to. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0)
}

/** Follows the sequence numbers at the beginnings of records. */
class SequenceChain {
  #next: bigint | undefined
  /** The beginning of a record, as long as it is not known whole: a chunk may be shorter. */
  #header: Buffer | undefined

  /** False where something is missing in front of this chunk. */
  take(type: number, data: Buffer): boolean {
    const begins = type === FULL || type === FIRST
    if (begins) this.#header = data.subarray(0, RECORD_HEADER_BYTES)
    else if (this.#header === undefined) return true
    else this.#header = Buffer.concat([this.#header, data.subarray(0, RECORD_HEADER_BYTES - this.#header.length)])
    if (this.#header.length < RECORD_HEADER_BYTES) return true
    const sequence = this.#header.readBigUInt64LE(0)
    const count = this.#header.readUInt32LE(8)
    this.#header = undefined
    const isExpected = this.#next === undefined || sequence === this.#next
    this.#next = sequence + BigInt(count)
    return isExpected
  }
}
