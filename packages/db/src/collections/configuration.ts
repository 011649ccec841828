import {
  AtollError,
  checkScriptSize,
  type CollectionSettings,
  encodeSettings,
  invalid,
  parseCollectionKind,
  parseCollectionName,
  parseScriptName,
  parseSettings,
  scriptOf,
  scriptRef,
  settingsRef,
} from '@atolldb/core'
import type { WriteOptions } from '../api/collections.ts'
import type { CollectionConfiguration, Scripts, SettingsChange } from '../api/settings.ts'
import type { RecordStore } from '../engine/record-store.ts'
import type { Schemas } from '../rules/schemas.ts'
import { recordChanges } from './writes.ts'

export interface ConfigurationParts {
  readonly store: RecordStore
  readonly schemas: Schemas
  /** @throws INVALID when the source is no function */
  readonly checkScript: (source: string) => Promise<void>
}

/** Settings and scripts, read and written as the records that they are. */
export function createConfiguration({ store, schemas, checkScript }: ConfigurationParts): CollectionConfiguration {
  return {
    async settings(name, options = {}) {
      const kind = parseCollectionKind(options.kind ?? 'objects')
      const collection = parseCollectionName(name)
      return store.readSafely(() => store.rules.settings(kind, collection))
    },
    async configure(name, change, options = {}) {
      const kind = parseCollectionKind(options.kind ?? 'objects')
      const collection = parseCollectionName(name)
      checkChange(change)
      const wanted = parseSettings(kind, withoutNulls(change))
      if (wanted.schema !== undefined) schemas.check(wanted.schema)
      const script = scriptOf(wanted.policy)
      return store.write(() => {
        if (script !== undefined && store.read(scriptRef(script)) === undefined)
          throw new AtollError('MISSING', `there is no script ${script}`, { what: 'script', id: script })
        const settings = changed(store.rules.settings(kind, collection), change, wanted)
        const bytes = Buffer.from(encodeSettings(settings), 'utf8')
        const isEmpty = Object.keys(settings).length === 0
        const content = isEmpty ? undefined : ({ format: 'json', bytes } as const)
        return { changes: recordChanges(store, settingsRef(kind, collection), content), result: settings }
      }, options.signal)
    },
    scripts: createScripts(store, checkScript),
  }
}

function createScripts(store: RecordStore, checkScript: (source: string) => Promise<void>): Scripts {
  const collection = scriptRef('').collection
  return {
    async put(name: string, source: string, { signal }: WriteOptions = {}) {
      const ref = scriptRef(parseScriptName(name))
      if (typeof source !== 'string') throw invalid('script', 'must be text')
      checkScriptSize(source)
      await checkScript(source)
      const content = { format: 'bytes', bytes: Buffer.from(source, 'utf8') } as const
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
      for await (const [id] of store.range('objects', collection, {})) names.push(id)
      return names
    },
  }
}

/** @throws INVALID */
function checkChange(change: SettingsChange): void {
  if (typeof change !== 'object' || change === null || Array.isArray(change))
    throw invalid('settings', 'must be an object')
}

function withoutNulls(change: SettingsChange): object {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== null))
}

function changed(current: CollectionSettings, change: SettingsChange, wanted: CollectionSettings): CollectionSettings {
  const kept = Object.entries(current).filter(([name]) => change[name as keyof SettingsChange] !== null)
  return { ...Object.fromEntries(kept), ...wanted }
}
