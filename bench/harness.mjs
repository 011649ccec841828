import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Subject and reference take turns, so that a machine that slows down slows both; unless `warmUp` is false, the first turn of
 * each warms up and is not counted. Every turn gets an empty directory. A turn returns its measure: a rate (more is better) or
 * milliseconds (less is).
 */
export async function alternate({ directory, rounds, subject, reference, warmUp = true }) {
  const measures = { subject: [], reference: [] }
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    for (const [side, turn] of Object.entries({ reference, subject })) {
      const measure = await inEmptyDirectory(join(directory, `${side}-${round}`), turn)
      if (round > 0) measures[side].push(measure)
    }
  }
  return { subject: median(measures.subject), reference: median(measures.reference) }
}

export async function inEmptyDirectory(directory, work) {
  mkdirSync(directory, { recursive: true })
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** A copy that a row may write to; nobody may have the original open. */
export function copyDirectory(from, to) {
  cpSync(from, to, { recursive: true, preserveTimestamps: true })
  return to
}

/** Closes what was opened, whatever becomes of the work. */
export async function closing(opened, work) {
  try {
    return await work(opened)
  } finally {
    await opened.close()
  }
}

/** How long the work takes, in milliseconds. */
export async function timed(work) {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

/** Operations a second. */
export async function rate(operations, work) {
  return (operations / (await timed(work))) * 1000
}

/** Runs `work(0)` to `work(total - 1)`, so many at a time. */
export async function inFlight(total, width, work) {
  let next = 0
  const lane = async () => {
    while (next < total) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(width, total) }, lane))
}

export function median(values) {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
