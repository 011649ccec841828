import { Presets, SingleBar } from 'cli-progress'
import type { Io } from '../io.ts'

/** How far an import is, by the bytes read; for a person at a terminal only. */
export interface ProgressBar {
  advance(bytes: number, records: number): void
  stop(): void
}

export function startProgressBar(io: Io, totalBytes: number | undefined, quiet: boolean): ProgressBar {
  if (quiet || io.stderr.isTTY !== true || totalBytes === undefined || totalBytes === 0)
    return { advance: () => undefined, stop: () => undefined }
  const format = '{bar} {percentage}%  {records} records'
  const bar = new SingleBar(
    { format, stream: io.stderr, hideCursor: true, clearOnComplete: true },
    Presets.shades_classic,
  )
  bar.start(totalBytes, 0, { records: 0 })
  return { advance: (bytes, records) => bar.update(Math.min(bytes, totalBytes), { records }), stop: () => bar.stop() }
}
