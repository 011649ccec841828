import type { CollectionSettings, JsonValue, PolicyName } from '@atolldb/core'
import type { WriteOptions } from './collections.ts'

export type { CollectionSettings, PolicyName } from '@atolldb/core'

export interface SettingsOptions {
  /** An Object and a List of one name have settings of their own. Default `objects`. */
  readonly kind?: 'objects' | 'lists'
}

/** A member that is left out stays as it is; `null` takes it away. */
export interface SettingsChange {
  /**
   * How concurrent versions of a record are merged: `fields` (each path on its own: the default for JSON objects), `latest` (the
   * latest as a whole: the default for all else), `keep` (the latest is shown, and plain writes to the record fail with
   * CONFLICT until someone resolves it), or `script:<name>`. For conflicts to come; what was merged stays as it is.
   */
  readonly policy?: PolicyName | null
  /** JSON Schema (draft 2020-12) that values written from now on must follow. */
  readonly schema?: JsonValue | null
}

/**
 * Settings of collections are records of the database: they travel, and are the same on every node. Those of concurrent
 * changes that is the latest holds, and the conflict is listed.
 */
export interface CollectionConfiguration {
  /** What was set; members that were not are missing. @throws INVALID for a bad name */
  settings(name: string, options?: SettingsOptions): Promise<CollectionSettings>
  /**
   * Changes settings of a collection, which need not exist yet. Durable when it resolves, with what is set then.
   *
   * @throws INVALID (a name, a policy, a schema that is none), TOO_LARGE (a schema beyond 64 KiB), MISSING (the script)
   * @example
   * await db.configure('farms', { policy: 'keep', schema: { type: 'object', required: ['crop'] } })
   */
  configure(name: string, change: SettingsChange, options?: SettingsOptions & WriteOptions): Promise<CollectionSettings>
  readonly scripts: Scripts
}

/**
 * Merge scripts, for the policy `script:<name>`. A script is a JavaScript expression whose value is a function
 * `(base, versions) => value | undefined`: `versions` are the concurrent values, the latest last, `undefined` for a delete;
 * `base` is what all of them had seen; what it returns is the record's value, `undefined` deletes it. It runs on every node, in a
 * sandbox without clock, randomness, locale or anything from outside, within limits of steps and memory.
 */
export interface Scripts {
  /**
   * Creates or replaces a script. Durable when it resolves. @throws INVALID (the name, or it is no function), TOO_LARGE
   * @example
   * await db.scripts.put('sum', '(base, versions) => versions.reduce((sum, v) => sum + v - base, base)')
   * await db.configure('counters', { policy: 'script:sum' })
   */
  put(name: string, source: string, options?: WriteOptions): Promise<void>
  get(name: string): Promise<string | undefined>
  /** Resolves with whether there was one. Collections that still name it merge as if it had failed. */
  delete(name: string, options?: WriteOptions): Promise<boolean>
  /** Names, in order. */
  list(): Promise<string[]>
}
