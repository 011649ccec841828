/** A limit in entries, or in bytes: those of keys and contents, and what holding them costs, roughly. */
export type CacheLimit = { readonly entries: number } | { readonly bytes: number }

export interface CacheCounts {
  readonly hits: number
  readonly misses: number
  readonly entries: number
  readonly bytes: number
}
