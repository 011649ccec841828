/**
 * `state/undone`: what was written, perhaps told from the journal, and undone by a later write before both came into one commit,
 * so that no commit tells of it.
 *
 *     file = lines
 *     line = CRC-32 of the rest of the line (8 hex digits), space, JSON, newline
 *     first line = {"complete":n}: of entries with sequence numbers beyond n nothing was dropped
 *     other lines = {"after":n,"to":n,"records":[[kind,collection,id,first,last],…]}: of the entries beyond `after` up to `to`, which
 *         were sealed together, these records were changed first and last by the entries of those sequence numbers
 *
 * Written and made durable before the journal notes that the entries are sealed: a crash in between seals them once more, and
 * writes the line again. Where the file is too large the older half is dropped. A file that is damaged is begun anew, complete from
 * the last entry that the journal says is sealed.
 */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type ChangeList, type RecordKey, recordKey, type RecordRef, sameContent } from '@atolldb/core'
import { isNotFound, onFile, writeFileDurably, writeFully } from '@atolldb/git'
import type { JournalEntry } from '../journal/frame.ts'

const DEFAULT_MAX_BYTES = 1024 * 1024

/** A record whose last write in a commit's entries left it as the commit found it. */
export interface UndoneRecord {
  readonly ref: RecordRef
  /** Sequence numbers of the first and the last entry that changed it. */
  readonly first: number
  readonly last: number
}

/** Of entries that were sealed together. */
interface Undone {
  readonly after: number
  readonly to: number
  readonly records: readonly UndoneRecord[]
}

/** What no commit tells of those who read the feed between two writes. Costs nothing where nothing is undone. */
export class UndoneLog {
  readonly #file: string
  readonly #maxBytes: number
  #complete: number
  #seals: { readonly undone: Undone; readonly sizeBytes: number }[] = []
  #sizeBytes = 0
  /** Of `#seals`, the last so many are not in the file. */
  #unwritten = 0

  private constructor(file: string, maxBytes: number, complete: number) {
    this.#file = file
    this.#maxBytes = maxBytes
    this.#complete = complete
  }

  /** `sealed`: the last sequence number that is sealed. @throws NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED */
  static async open(stateDirectory: string, sealed: number, maxBytes = DEFAULT_MAX_BYTES): Promise<UndoneLog> {
    const file = join(stateDirectory, 'undone')
    const [header, ...lines] = (await readLines(file)) ?? []
    const complete = (header as { readonly complete: number } | undefined)?.complete
    const log = new UndoneLog(file, maxBytes, complete ?? sealed)
    if (complete === undefined) await log.#rewrite()
    for (const line of lines) log.#keep(parseUndone(line as WrittenUndone))
    log.#sizeBytes = log.#seals.reduce(
      (sum, { sizeBytes }) => sum + sizeBytes,
      encodeLine({ complete: log.#complete }).length,
    )
    log.#unwritten = 0
    return log
  }

  #keep(undone: Undone): void {
    const sizeBytes = encodeUndone(undone).length
    this.#seals.push({ undone, sizeBytes })
    this.#unwritten++
  }

  /**
   * Those entries are in a commit that made these changes (none: there was nothing to commit). Known in this turn of the loop,
   * durable when it resolves; where it fails, the next one writes it too. One call at a time.
   *
   * @throws NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED
   */
  async add(entries: readonly JournalEntry[], changes: ChangeList | undefined): Promise<void> {
    const undone = undoneBy(entries, changes)
    if (undone !== undefined) this.#keep(undone)
    if (this.#unwritten > 0) await this.#write()
  }

  async #write(): Promise<void> {
    const added = Buffer.concat(this.#seals.slice(-this.#unwritten).map(({ undone }) => encodeUndone(undone)))
    if (this.#sizeBytes + added.length > this.#maxBytes) {
      this.#dropOlder()
      return this.#rewrite()
    }
    await onFile(this.#file, async () => {
      const handle = await open(this.#file, 'r+')
      try {
        await writeFully(handle, added, this.#sizeBytes)
        await handle.datasync()
      } finally {
        await handle.close()
      }
    })
    this.#sizeBytes += added.length
    this.#unwritten = 0
  }

  /** The newest always stays. */
  #dropOlder(): void {
    let first = this.#seals.length - 1
    let sizeBytes = this.#seals[first]?.sizeBytes ?? 0
    while (first > 0 && sizeBytes + this.#seals[first - 1]!.sizeBytes <= this.#maxBytes / 2)
      sizeBytes += this.#seals[--first]!.sizeBytes
    for (const { undone } of this.#seals.splice(0, first)) this.#complete = Math.max(this.#complete, undone.to)
  }

  async #rewrite(): Promise<void> {
    const lines = [encodeLine({ complete: this.#complete }), ...this.#seals.map(({ undone }) => encodeUndone(undone))]
    const bytes = Buffer.concat(lines)
    await writeFileDurably(this.#file, bytes)
    this.#sizeBytes = bytes.length
    this.#unwritten = 0
  }

  /**
   * What somebody who knows the entries up to one was told, and no commit up to that of the entry `sealed` tells them is not so any
   * more. Undefined where that is not known any more.
   */
  since(sequence: number, sealed: number): readonly UndoneRecord[] | undefined {
    if (sequence < this.#complete) return undefined
    const found = new Map<RecordKey, UndoneRecord>()
    for (const { undone } of this.#seals) {
      if (undone.after >= sequence || undone.to <= sequence || undone.to > sealed) continue
      for (const record of undone.records)
        if (record.first <= sequence && record.last > sequence) found.set(recordKey(record.ref), record)
    }
    return [...found.values()]
  }
}

/** Undefined when every record that several entries changed is another after them. */
function undoneBy(entries: readonly JournalEntry[], changes: ChangeList | undefined): Undone | undefined {
  const [from, to] = [entries[0]?.sequence, entries.at(-1)?.sequence]
  const count = entries.reduce((sum, entry) => sum + entry.changes.length, 0)
  // Each changed another record, and every one of them is changed.
  if (from === undefined || to === undefined || count === changes?.size) return undefined
  const recordByKey = new Map<RecordKey, UndoneRecord>()
  for (const { sequence, changes: written } of entries)
    for (const ref of written) {
      const key = recordKey(ref)
      recordByKey.set(key, { ref, first: recordByKey.get(key)?.first ?? sequence, last: sequence })
    }
  const records: UndoneRecord[] = []
  for (const [key, record] of recordByKey) {
    if (record.first === record.last) continue
    const change = changes?.get(key)
    if (change === undefined || sameContent(change.before, change.after)) records.push(record)
  }
  return records.length === 0 ? undefined : { after: from - 1, to, records }
}

interface WrittenUndone {
  readonly after: number
  readonly to: number
  readonly records: readonly (readonly [
    RecordRef['kind'],
    RecordRef['collection'],
    RecordRef['id'],
    first: number,
    last: number,
  ])[]
}

function encodeUndone({ after, to, records }: Undone): Buffer {
  const written: WrittenUndone = {
    after,
    to,
    records: records.map(({ ref: { kind, collection, id }, first, last }) => [kind, collection, id, first, last]),
  }
  return encodeLine(written)
}

function parseUndone({ after, to, records }: WrittenUndone): Undone {
  return {
    after,
    to,
    records: records.map(([kind, collection, id, first, last]) => ({ ref: { kind, collection, id }, first, last })),
  }
}

function encodeLine(value: unknown): Buffer {
  const text = JSON.stringify(value)
  return Buffer.from(`${crc32(text).toString(16).padStart(8, '0')} ${text}\n`)
}

/** The values of the lines; undefined where one is damaged. */
async function readLines(file: string): Promise<unknown[] | undefined> {
  const text = await onFile(file, async () => {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      if (isNotFound(error)) return ''
      throw error
    }
  })
  const values: unknown[] = []
  for (const line of text.split('\n')) {
    const json = line.slice(9)
    if (line === '' && values.length > 0) continue
    if (line.slice(0, 9) !== `${crc32(json).toString(16).padStart(8, '0')} `) return undefined
    values.push(JSON.parse(json))
  }
  return values
}
