import {
  AtollError,
  type CollectionKind,
  checkScriptSize,
  type CollectionSettings,
  decodeUtf8,
  encodeSettings,
  invalid,
  parseCollectionKind,
  parseCollectionName,
  parseScriptName,
  parseSettings,
  type RecordRef,
  scriptOf,
  scriptRef,
  settingsRef,
} from '@atolldb/core'
import type { WriteOptions } from '../api/collections.ts'
import type { CollectionConfiguration, Scripts, SettingsChange } from '../api/settings.ts'
import type { RecordStore } from '../engine/record-store.ts'
import { settingsCollection } from '../rules/collection-rules.ts'
import type { Schemas } from '../rules/schemas.ts'
import type { ViewContent } from '../view/encoding.ts'
import { recordChanges } from './writes.ts'

export interface ConfigurationParts {
  readonly store: RecordStore
  readonly schemas: Schemas
  /** @throws INVALID when the source is no function */
  readonly checkScript: (source: string) => Promise<void>
}

/** What a user may set, and what a node asks of it beside. */
export interface StoredConfiguration extends CollectionConfiguration {
  /**
   * A whole value for a record of settings, or the source of a script, checked as `configure` and `scripts.put` check theirs;
   * undefined: settings without a member are no record.
   *
   * @throws INVALID, TOO_LARGE, MISSING (the script), UNSUPPORTED for any other record of Atoll's own
   */
  contentOf(ref: RecordRef, value: unknown): Promise<ViewContent | undefined>
}

/** Settings and scripts, read and written as the records that they are. */
export function createConfiguration({ store, schemas, checkScript }: ConfigurationParts): StoredConfiguration {
  const parse = (kind: CollectionKind, value: unknown): CollectionSettings => {
    const settings = parseSettings(kind, value)
    if (settings.schema !== undefined) schemas.check(settings.schema)
    return settings
  }
  /** @throws MISSING */
  const checkScriptIsThere = ({ policy }: CollectionSettings): void => {
    const script = scriptOf(policy)
    if (script !== undefined && store.read(scriptRef(script)) === undefined)
      throw new AtollError('MISSING', `there is no script ${script}`, { what: 'script', id: script })
  }
  return {
    async settings(name, options = {}) {
      const kind = parseCollectionKind(options.kind ?? 'objects')
      const collection = parseCollectionName(name)
      return store.readSafely(() => store.rules.settings(kind, collection))
    },
    async configure(name, change, options = {}) {
      const kind = parseCollectionKind(options.kind ?? 'objects')
      const collection = parseCollectionName(name)
      checkObject(change)
      const wanted = parse(kind, withoutNulls(change))
      return store.write(() => {
        checkScriptIsThere(wanted)
        const settings = changed(store.rules.settings(kind, collection), change, wanted)
        const content = settingsContent(settings)
        return { changes: recordChanges(store, settingsRef(kind, collection), content), result: settings }
      }, options.signal)
    },
    scripts: createScripts(store, checkScript),
    async contentOf({ collection, id }, value) {
      if (collection === settingsCollection) {
        const settings = parse(parseCollectionKind(id.split('/', 1)[0]), checkObject(value))
        await store.readSafely(() => checkScriptIsThere(settings))
        return settingsContent(settings)
      }
      if (collection === scriptsCollection) return scriptContent(id, value, checkScript)
      const what = `a value for a record of ${collection}`
      throw new AtollError('UNSUPPORTED', `records of ${collection} are not written by users`, { what })
    },
  }
}

const scriptsCollection = scriptRef('').collection

function settingsContent(settings: CollectionSettings): ViewContent | undefined {
  if (Object.keys(settings).length === 0) return undefined
  return { format: 'json', bytes: Buffer.from(encodeSettings(settings), 'utf8') }
}

/** @throws INVALID, TOO_LARGE */
async function scriptContent(
  name: string,
  value: unknown,
  checkScript: (source: string) => Promise<void>,
): Promise<ViewContent> {
  parseScriptName(name)
  const source = value instanceof Uint8Array ? decodeSource(value) : value
  if (typeof source !== 'string') throw invalid('script', 'must be text')
  checkScriptSize(source)
  await checkScript(source)
  return { format: 'bytes', bytes: Buffer.from(source, 'utf8') }
}

/** @throws INVALID */
function decodeSource(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes)
  } catch {
    throw invalid('script', 'is not UTF-8')
  }
}

function createScripts(store: RecordStore, checkScript: (source: string) => Promise<void>): Scripts {
  return {
    async put(name: string, source: string, { signal }: WriteOptions = {}) {
      const content = await scriptContent(name, source, checkScript)
      const ref = scriptRef(name)
      await store.write(() => ({ changes: recordChanges(store, ref, content), result: undefined }), signal)
    },
    async get(name) {
      const ref = scriptRef(parseScriptName(name))
      const content = await store.readSafely(() => store.read(ref))
      return content && Buffer.from(content.bytes).toString('utf8')
    },
    async delete(name, { signal }: WriteOptions = {}) {
      const ref = scriptRef(parseScriptName(name))
      return store.write(() => {
        const result = store.read(ref) !== undefined
        return { changes: recordChanges(store, ref, undefined), result }
      }, signal)
    },
    async list() {
      const names: string[] = []
      for await (const [id] of store.range('objects', scriptsCollection, {})) names.push(id)
      return names
    },
  }
}

/** Bytes are none. @throws INVALID */
function checkObject<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw invalid('settings', 'must be an object')
  return value
}

function withoutNulls(change: SettingsChange): object {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== null))
}

function changed(current: CollectionSettings, change: SettingsChange, wanted: CollectionSettings): CollectionSettings {
  const kept = Object.entries(current).filter(([name]) => change[name as keyof SettingsChange] !== null)
  return { ...Object.fromEntries(kept), ...wanted }
}
