export interface ImportProgress {
  /** Written and durable. */
  readonly records: number
  readonly batches: number
  /** Bad rows left out. */
  readonly skipped: number
  /** Rows whose id came before, settled by `onDuplicate`. */
  readonly duplicates: number
}

/** The import ended at a bad row; what the batches before it wrote is kept. */
export class ImportStopped extends Error {
  override readonly name = 'ImportStopped'
  override readonly cause: unknown
  readonly progress: ImportProgress

  constructor(cause: Error, progress: ImportProgress) {
    super(cause.message)
    this.cause = cause
    this.progress = progress
  }

  get hint(): string {
    const { records, batches } = this.progress
    const kept = records === 0 ? 'nothing was kept' : `kept: the ${records} records of the ${batches} batches before`
    return `${kept}; --skip-bad leaves bad rows out`
  }
}
