import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import PouchDB from 'pouchdb-node'

export const about = 'not synced; replication within one process'

export async function openStore(directory) {
  return storeOf(openAt(directory))
}

function openAt(directory) {
  mkdirSync(directory, { recursive: true })
  return new PouchDB(join(directory, 'pouch'))
}

function storeOf(db) {
  return {
    put: (id, value) => db.put({ _id: id, ...value }),
    bulk: entries => db.bulkDocs(entries.map(([id, value]) => ({ _id: id, ...value }))),
    get: id => db.get(id),
    async replicate(to) {
      const copy = openAt(to)
      await PouchDB.replicate(db, copy, { batch_size: 1000 })
      return storeOf(copy)
    },
    close: () => db.close(),
  }
}
