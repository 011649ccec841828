import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { median } from './harness.mjs'
import { atMost } from './results.mjs'

const resolutionMs = 10

/**
 * Runs the work, and tells how late the event loop of this process was meanwhile: of a timer of 10 ms, by how many milliseconds it
 * was late. Garbage collection and the caller's own synchronous work count in. What takes time must be timed inside: this waits for the
 * timer once more, since work that never lets go of the loop shows only afterwards.
 */
export async function watchingLoop(work) {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  try {
    // The first tick is only what the second is measured from.
    await pause(2 * resolutionMs)
    const result = await work()
    await pause(2 * resolutionMs)
    return { result, loop: late(histogram) }
  } finally {
    histogram.disable()
  }
}

function late(histogram) {
  const lateMs = nanoseconds => Math.max(0, nanoseconds / 1e6 - resolutionMs)
  return { p99Ms: lateMs(histogram.percentile(99)), maxMs: lateMs(histogram.max) }
}

/** What the loop did during the turns of a row, by the kind of work. */
export class LoopDelays {
  #turnsByWork = new Map()

  /** Does the work of one turn while the loop of this process is watched. */
  async during(work, turn) {
    const { result, loop } = await watchingLoop(turn)
    this.add(work, loop)
    return result
  }

  /** A turn that another process did and watched. */
  add(work, loop) {
    this.#turnsByWork.set(work, [...(this.#turnsByWork.get(work) ?? []), loop])
  }

  /** The median of the turns' 99th percentiles, the greatest of their maxima. */
  summary() {
    return [...this.#turnsByWork].map(([work, turns]) => ({
      work,
      p99Ms: median(turns.map(turn => turn.p99Ms)),
      maxMs: Math.max(...turns.map(turn => turn.maxMs)),
    }))
  }
}

/** The rows about the loop: the worst of all works that were watched. */
export function loopRows(loops) {
  if (loops.length === 0) return []
  const worst = key => loops.reduce((one, other) => (other[key] > one[key] ? other : one))
  const [p99, max] = [worst('p99Ms'), worst('maxMs')]
  return [
    atMost(`event-loop delay, p99, worst of ${loops.length} (${p99.work})`, 'ms', p99.p99Ms, 50, 20),
    atMost(`event-loop delay, maximum, worst of ${loops.length} (${max.work})`, 'ms', max.maxMs, 250),
  ]
}
