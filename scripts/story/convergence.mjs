import { setTimeout as pause } from 'node:timers/promises'

/**
 * Waits until nodes hold the same `main`, by asking each through its door. A command for every question would answer the same,
 * but starting so many would slow down what is being timed.
 */
const pauseMs = 20

/**
 * Resolves with `main` and, for each node by name, the milliseconds from `startedAt` until it first showed that `main` for good.
 * Rejects after `timeoutMs` with what each node said last.
 */
export async function converged(
  islands,
  { startedAt = performance.now(), timeoutMs = 30_000, accept = () => true } = {},
) {
  const latest = new Map()
  let agreed = false
  const watch = async island => {
    const door = island.door()
    while (!agreed) {
      const status = await door.status()
      const elapsedMs = performance.now() - startedAt
      note(latest, island.name, status, elapsedMs)
      agreed ||= agree(islands, latest) && accept(latest)
      if (!agreed && elapsedMs > timeoutMs)
        throw new Error(`no agreement within ${timeoutMs / 1000} s: ${tell(latest)}`)
      await pause(pauseMs)
    }
  }
  await Promise.all(islands.map(watch))
  const { main } = latest.get(islands[0].name).status
  return { main, msByName: Object.fromEntries([...latest].map(([name, entry]) => [name, entry.sinceMs])) }
}

/** Remembers since when a node has shown its present main. */
function note(latest, name, status, elapsedMs) {
  const known = latest.get(name)
  const sinceMs = known !== undefined && known.status.main === status.main ? known.sinceMs : elapsedMs
  latest.set(name, { status, sinceMs })
}

/** The same `main` everywhere, and nothing that waits to be committed. */
function agree(islands, latest) {
  const statuses = islands.map(({ name }) => latest.get(name)?.status)
  const main = statuses[0]?.main ?? null
  return main !== null && statuses.every(status => status?.main === main && status.pending === 0)
}

function tell(latest) {
  return [...latest].map(([name, { status }]) => `${name} ${status.state} at ${status.main ?? 'nothing'}`).join(', ')
}
