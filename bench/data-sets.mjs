import { join } from 'node:path'
import { inChild } from './child.mjs'
import { copyDirectory } from './harness.mjs'
import { grouped } from './results.mjs'

/** Directories full of records, each loaded once a run, by a process of its own. Rows read them, and write to copies. */
export class DataSets {
  #directory
  #loadingByName = new Map()

  constructor(directory) {
    this.#directory = directory
  }

  /** Of kind `objects` (the collection `sensors`) or `lists` (`readings`); with how loading it went. Closed. */
  of(kind, records) {
    const name = `${kind}-${records}`
    const loading = this.#loadingByName.get(name) ?? this.#load(name, kind, records)
    this.#loadingByName.set(name, loading)
    return loading
  }

  async copyOf(kind, records, to) {
    return copyDirectory((await this.of(kind, records)).directory, to)
  }

  async #load(name, kind, records) {
    const directory = join(this.#directory, name)
    process.stderr.write(`  loading ${grouped(records)} ${kind} … `)
    const loaded = await inChild('load', { directory, kind, records })
    process.stderr.write(`${(loaded.loadMs / 1000).toFixed(1)} s\n`)
    return { directory, ...loaded }
  }
}
