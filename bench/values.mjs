/** Records like those of a sensor: about 130 bytes of JSON, the same in every run. */

export function idOf(index) {
  return `sensor-${String(index).padStart(7, '0')}`
}

export function valueOf(index) {
  const noise = Math.imul(index + 1, 2_654_435_761) >>> 0
  return {
    station: `station-${noise % 512}`,
    time: new Date(1_700_000_000_000 + index * 1000).toISOString(),
    temperature: (noise % 6000) / 100 - 20,
    humidity: noise % 101,
    pressure: 900 + (noise % 1500) / 10,
    ok: noise % 7 !== 0,
  }
}

/** Every index below `total` once, in an order without a pattern. */
export function shuffled(total) {
  const order = Array.from({ length: total }, (_, index) => index)
  let state = 42
  for (let index = total - 1; index > 0; index--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const other = state % (index + 1)
    ;[order[index], order[other]] = [order[other], order[index]]
  }
  return order
}

/** The nth of indexes below `total` that lie far apart from one to the next. */
export function scattered(nth, total) {
  return (nth * 7_919 + (Math.imul(nth + 1, 2_654_435_761) >>> 0)) % total
}
