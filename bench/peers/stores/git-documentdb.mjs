import { GitDocumentDB } from 'git-documentdb'

export const about =
  'not synced; has no bulk write: one at a time; replicates by way of a git host only, so that is left out'

export async function openStore(directory) {
  const db = new GitDocumentDB({ dbName: 'records', localDir: directory })
  await db.open()
  return {
    put: (id, value) => db.put({ _id: id, ...value }),
    async bulk(entries) {
      for (const [id, value] of entries) await db.put({ _id: id, ...value })
    },
    get: id => db.get(id),
    close: () => db.close(),
  }
}
