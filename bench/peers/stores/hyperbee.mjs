import Corestore from 'corestore'
import Hyperbee from 'hyperbee'

export const about = 'not synced; replication over an encrypted stream within one process'

const encodings = { keyEncoding: 'utf-8', valueEncoding: 'json' }

export async function openStore(directory) {
  const cores = new Corestore(directory)
  const core = cores.get({ name: 'records' })
  const bee = new Hyperbee(core, encodings)
  await bee.ready()
  return {
    put: (id, value) => bee.put(id, value),
    async bulk(entries) {
      const batch = bee.batch()
      for (const [id, value] of entries) await batch.put(id, value)
      await batch.flush()
    },
    get: id => valueAt(bee, id),
    async replicate(to) {
      const copies = new Corestore(to)
      const copy = copies.get({ key: core.key })
      await copy.ready()
      const [here, there] = [cores.replicate(true), copies.replicate(false)]
      here.pipe(there).pipe(here)
      await copy.update({ wait: true })
      await copy.download({ start: 0, end: core.length }).done()
      const copiedBee = new Hyperbee(copy, encodings)
      return { get: id => valueAt(copiedBee, id), close: () => copies.close() }
    },
    close: () => cores.close(),
  }
}

async function valueAt(bee, id) {
  return (await bee.get(id))?.value
}
