/**
 * What can be measured, by the name that `--rows` takes. Loaded when asked for, so that help and page need neither a build nor
 * an install. Each is given the settings and returns the rows of the table; `growth` and `peers` have tables of their own.
 */
export const tableGroups = {
  'put-burst': async () => (await import('./rows/put-burst.mjs')).putBurst,
  'put-sustained': async () => (await import('./rows/put-sustained.mjs')).putSustained,
  'put-one': async () => (await import('./rows/put-one.mjs')).putOne,
  get: async () => (await import('./rows/get.mjs')).get,
  'get-cached': async () => (await import('./rows/get-cached.mjs')).getCached,
  seal: async () => (await import('./rows/seal.mjs')).seal,
  commit: async () => (await import('./rows/commit.mjs')).commit,
  open: async () => (await import('./rows/open.mjs')).openLarge,
  memory: async () => (await import('./rows/memory.mjs')).memory,
  compaction: async () => (await import('./rows/compaction.mjs')).compaction,
  merge: async () => (await import('./rows/merge.mjs')).merge,
  'snapshot-range': async () => (await import('./rows/snapshot-range.mjs')).snapshotRange,
  'first-sync': async () => (await import('./rows/first-sync.mjs')).firstSync,
  propagation: async () => (await import('./rows/propagation.mjs')).propagation,
}

export const allGroups = {
  ...tableGroups,
  growth: async () => (await import('./growth.mjs')).growth,
  peers: async () => (await import('./peers.mjs')).peers,
}
