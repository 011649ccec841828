import { join } from 'node:path'
import { inChild } from '../child.mjs'
import { inEmptyDirectory } from '../harness.mjs'
import { atMost, grouped, noted } from '../results.mjs'

/** The most memory that was ever resident while a process writes 2,000 records a second to a large data set. */
export async function memory({ directory, records, dataSets, quick, loop }) {
  return inEmptyDirectory(directory, async () => {
    const loaded = await dataSets.of('objects', records)
    const copy = await dataSets.copyOf('objects', records, join(directory, 'copy'))
    const steady = await inChild('steady-writes', { directory: copy, records, seconds: quick ? 3 : 30 })
    loop.add('loading', loaded.loop)
    loop.add('steady writes', steady.loop)
    return [
      atMost(`resident memory, ${grouped(records)} records loaded, steady writes`, 'MB', steady.peakMB, 300, 200),
      noted(`resident memory, peak while ${grouped(records)} records are loaded`, 'MB', loaded.peakMB),
      noted(`loading ${grouped(records)} records, 10,000 a batch`, 's', loaded.loadMs / 1000),
    ]
  })
}
