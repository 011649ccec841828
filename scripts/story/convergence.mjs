/**
 * Waits until nodes hold the same `main`, by asking them: no sleep, each answer asks the next question.
 */

/**
 * Resolves with `main` and, for each node by name, the milliseconds from `startedAt` until it first showed that `main` for good.
 * Rejects after `timeoutMs` with what each node said last.
 */
export async function converged(
  islands,
  { startedAt = performance.now(), timeoutMs = 30_000, accept = () => true } = {},
) {
  const stop = new AbortController()
  const latest = new Map()
  const watch = async island => {
    while (!stop.signal.aborted) {
      const status = await island.json('status')
      note(latest, island.name, status, performance.now() - startedAt)
      if (agree(islands, latest) && accept(latest)) stop.abort()
      else if (performance.now() - startedAt > timeoutMs)
        throw new Error(`no agreement within ${timeoutMs / 1000} s: ${tell(latest)}`)
    }
  }
  await Promise.all(islands.map(island => watch(island)))
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
