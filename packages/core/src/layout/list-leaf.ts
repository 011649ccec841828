/**
 * A leaf of a List: a blob of lines, sorted by id, each
 *
 *     {"id":"<ULID in lower case>","value":<canonical JSON>}
 *
 * with a line feed at its end.
 */
import { parseListRecordId, ULID_LENGTH } from '../ids.ts'
import { encodeUtf8 } from '../text.ts'
import { misplaced } from './misplaced.ts'
import type { LeafRecord } from './leaf-record.ts'

const LINE_FEED = 0x0a
const HEAD = encodeUtf8('{"id":"')
const MIDDLE = encodeUtf8('","value":')
const TAIL = encodeUtf8('}\n')
const ID_START = HEAD.length
const MIDDLE_START = ID_START + ULID_LENGTH
const VALUE_START = MIDDLE_START + MIDDLE.length

/** Bytes of a line, its line feed included. */
export function lineBytes(record: LeafRecord): number {
  return VALUE_START + record.bytes!.length + TAIL.length
}

/** The records must be sorted and have their bytes. */
export function encodeListLeaf(records: readonly LeafRecord[]): Uint8Array {
  let size = 0
  for (const record of records) size += lineBytes(record)
  const leaf = new Uint8Array(size)
  let at = 0
  for (const record of records) {
    leaf.set(HEAD, at)
    for (let i = 0; i < ULID_LENGTH; i++) leaf[at + ID_START + i] = record.key.charCodeAt(i)
    leaf.set(MIDDLE, at + MIDDLE_START)
    leaf.set(record.bytes!, at + VALUE_START)
    at += VALUE_START + record.bytes!.length
    leaf.set(TAIL, at)
    at += TAIL.length
  }
  return leaf
}

/** @throws REFUSED when it is not a leaf as above; values are not looked into */
export function decodeListLeaf(leaf: Uint8Array): LeafRecord[] {
  const records: LeafRecord[] = []
  let start = 0
  while (start < leaf.length) {
    const end = leaf.indexOf(LINE_FEED, start)
    if (end < 0) throw misplaced('the last line of a List has no line feed')
    records.push(decodeLine(leaf.subarray(start, end + 1)))
    start = end + 1
  }
  return records
}

function decodeLine(line: Uint8Array): LeafRecord {
  const valueEnd = line.length - TAIL.length
  if (valueEnd <= VALUE_START || !startsWith(line, HEAD, 0) || !startsWith(line, MIDDLE, MIDDLE_START))
    throw misplaced('a line of a List is not {"id":…,"value":…}')
  if (!startsWith(line, TAIL, valueEnd)) throw misplaced('a line of a List does not end as it should')
  let key = ''
  for (let i = ID_START; i < MIDDLE_START; i++) key += String.fromCharCode(line[i]!)
  if (key !== key.toLowerCase()) throw misplaced('the id of a List record is not in lower case')
  try {
    parseListRecordId(key)
  } catch (cause) {
    throw misplaced(`the id of a List record is no ULID: ${String(cause)}`)
  }
  return { key, format: 'json', version: undefined, bytes: line.subarray(VALUE_START, valueEnd) }
}

function startsWith(bytes: Uint8Array, part: Uint8Array, at: number): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false
  return true
}
