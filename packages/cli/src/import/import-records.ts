import { ClientError, type Client } from '@atolldb/client'
import { AtollError, invalid, isAtollError } from '@atolldb/core/errors'
import { hasCode } from '../failures.ts'
import { rowToRecord, atLine, type ImportRecord, type ImportTarget } from './import-operations.ts'
import { ImportStopped, type ImportProgress } from './import-stopped.ts'
import type { ParsedRow } from './parsed-row.ts'

const BATCH_RECORDS = 1_000
/** A batch of large values ends earlier: a commit holds 16 MiB. */
const BATCH_BYTES = 8 * 1024 * 1024

/** What a node refuses a record for. */
const badRowCodes = ['INVALID', 'TOO_LARGE', 'SCHEMA', 'EXISTS'] as const

export interface ImportOptions extends ImportTarget {
  /** Leave bad rows out instead of stopping at the first. */
  readonly skipBad: boolean
  /** Which of several rows with one id counts; without it the second one is a bad row. */
  readonly onDuplicate: 'first' | 'last' | undefined
  /** Told after each batch, and of each bad row that was left out. */
  readonly onProgress?: (progress: ImportProgress) => void
  readonly onSkipped?: (problem: AtollError) => void
}

/**
 * Writes rows in batches of 1,000, each all or nothing. Ids are remembered for the length of the import, to tell repeated ones.
 *
 * @throws ImportStopped at the first bad row, unless `skipBad`
 */
export async function importRecords(
  client: Client,
  rows: AsyncIterable<ParsedRow>,
  options: ImportOptions,
): Promise<ImportProgress> {
  const run = new ImportRun(client, options)
  try {
    for await (const row of rows) await run.take(row)
    await run.writeBatch()
  } catch (error) {
    // Bad rows and a text that is no CSV or JSON from some line on; a storage failure is told as such.
    if (hasCode(error, ...badRowCodes)) throw new ImportStopped(error as Error, run.progress())
    throw error
  }
  return run.progress()
}

class ImportRun {
  readonly #client: Client
  readonly #options: ImportOptions
  readonly #lineById = new Map<string, number>()
  #batch: ImportRecord[] = []
  #batchBytes = 0
  #records = 0
  #batches = 0
  #skipped = 0
  #duplicates = 0

  constructor(client: Client, options: ImportOptions) {
    this.#client = client
    this.#options = options
  }

  progress(): ImportProgress {
    return {
      records: this.#records,
      batches: this.#batches,
      skipped: this.#skipped,
      duplicates: this.#duplicates,
    }
  }

  async take(row: ParsedRow): Promise<void> {
    let record: ImportRecord | undefined
    try {
      record = this.#once(rowToRecord(row, this.#options))
    } catch (error) {
      this.#skip(error)
    }
    if (record === undefined) return
    if (this.#batchBytes + record.sizeBytes > BATCH_BYTES) await this.writeBatch()
    this.#batch.push(record)
    this.#batchBytes += record.sizeBytes
    if (this.#batch.length === BATCH_RECORDS) await this.writeBatch()
  }

  async writeBatch(): Promise<void> {
    while (this.#batch.length > 0)
      try {
        await this.#client.batch(this.#batch.map(({ operation }) => operation))
        this.#records += this.#batch.length
        this.#batches += 1
        this.#batch = []
      } catch (error) {
        this.#dropRefused(error)
      }
    this.#batchBytes = 0
    this.#options.onProgress?.(this.progress())
  }

  /** Undefined for a repeated id that `onDuplicate` leaves out. @throws INVALID */
  #once(record: ImportRecord): ImportRecord | undefined {
    const { id, line } = record
    if (id === undefined) return record
    const before = this.#lineById.get(id)
    if (before === undefined) {
      this.#lineById.set(id, line)
      return record
    }
    const { onDuplicate } = this.#options
    if (onDuplicate === undefined)
      throw invalid(`line ${line}`, `the id ${JSON.stringify(id)} was on line ${before} already (see --on-duplicate)`)
    this.#duplicates += 1
    return onDuplicate === 'last' ? record : undefined
  }

  /** A bad row that is to be left out is counted; any other error goes on. */
  #skip(error: unknown): void {
    if (!this.#options.skipBad || !isAtollError(error)) throw error
    this.#skipped += 1
    this.#options.onSkipped?.(error)
  }

  /** The node knows rules that are not checked here: the row that it refused is the bad one. */
  #dropRefused(error: unknown): void {
    const index = error instanceof ClientError ? error.operation : undefined
    const record = index === undefined ? undefined : this.#batch[index]
    if (record === undefined || !hasCode(error, ...badRowCodes)) throw error
    const { code, message, data } = error as ClientError
    this.#skip(atLine(new AtollError(code as 'INVALID', message, data as AtollError<'INVALID'>['data']), record.line))
    this.#batch = this.#batch.filter(other => other !== record)
  }
}
