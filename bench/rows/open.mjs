import { inChild } from '../child.mjs'
import { median } from '../harness.mjs'
import { atMost, grouped } from '../results.mjs'

/** A fresh process opens a large data set that was closed; the time is that of `open`, the program being loaded already. */
export async function openLarge({ rounds, records, dataSets, loop }) {
  const { directory } = await dataSets.of('objects', records)
  const opens = []
  for (let round = 0; round <= rounds; round++) {
    const opened = await inChild('open', { directory })
    if (round === 0) continue
    opens.push(opened)
    loop.add('open', opened.loop)
  }
  const at = `open at ${grouped(records)} records`
  return [
    atMost(`${at}: time`, 'ms', median(opens.map(({ openMs }) => openMs)), 1000, 300),
    atMost(`${at}: resident memory`, 'MB', median(opens.map(({ residentMB }) => residentMB)), 150),
  ]
}
