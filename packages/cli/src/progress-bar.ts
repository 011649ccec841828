import { Presets, SingleBar } from 'cli-progress'
import type { Io } from './io.ts'

/** How far something long is; for a person at a terminal only. */
export interface ProgressBar {
  /** @param shown the number that stands beside the bar */
  advance(done: number, total: number, shown: number): void
  stop(): void
}

/** @param unit what is counted beside the bar */
export function startProgressBar(io: Io, { unit, quiet }: { unit: string; quiet: boolean }): ProgressBar {
  if (quiet || io.stderr.isTTY !== true) return { advance: () => undefined, stop: () => undefined }
  const format = `{bar} {percentage}%  {shown} ${unit}`
  const bar = new SingleBar(
    { format, stream: io.stderr, hideCursor: true, clearOnComplete: true },
    Presets.shades_classic,
  )
  let total = 0
  return {
    advance(done, of, shown) {
      if (of === 0) return
      if (total === 0) bar.start((total = of), 0, { shown: 0 })
      bar.update(Math.min(done, total), { shown })
    },
    stop() {
      if (total > 0) bar.stop()
    },
  }
}
