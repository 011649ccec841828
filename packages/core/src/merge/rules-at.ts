import type { ObjectReader } from '../contracts/object-store.ts'
import type { CollectionKind, CollectionName, ObjectId, RecordRef } from '../ids.ts'
import { lookupRecord } from '../layout/index.ts'
import { MAX_SCRIPT_BYTES } from '../limits.ts'
import { decodeSettings, scriptRef, settingsRef } from '../settings/collection-settings.ts'
import type { CollectionSettings } from '../settings/collection-settings.ts'
import { decodeUtf8 } from '../text.ts'

/** Reads the settings of collections and the scripts that states hold; each once. Of the length of one merge. */
export class RulesAt {
  readonly #store: ObjectReader
  readonly #settings = new Map<string, Promise<CollectionSettings>>()
  readonly #scripts = new Map<string, Promise<string | undefined>>()

  constructor(store: ObjectReader) {
    this.#store = store
  }

  settings(tree: ObjectId, kind: CollectionKind, collection: CollectionName): Promise<CollectionSettings> {
    return once(this.#settings, `${tree} ${kind} ${collection}`, async () => {
      const bytes = await this.#read(tree, settingsRef(kind, collection))
      return bytes === undefined ? {} : decodeSettings(bytes)
    })
  }

  /** Undefined where there is none, or what is there is no text. */
  script(tree: ObjectId, name: string): Promise<string | undefined> {
    return once(this.#scripts, `${tree} ${name}`, async () => {
      const bytes = await this.#read(tree, scriptRef(name))
      if (bytes === undefined || bytes.length > MAX_SCRIPT_BYTES) return undefined
      try {
        return decodeUtf8(bytes)
      } catch {
        return undefined
      }
    })
  }

  async #read(tree: ObjectId, ref: RecordRef): Promise<Uint8Array | undefined> {
    const content = await lookupRecord(this.#store, tree, ref)
    return content && (content.bytes ?? this.#store.readBlob(content.version))
  }
}

function once<Value>(known: Map<string, Promise<Value>>, key: string, read: () => Promise<Value>): Promise<Value> {
  let value = known.get(key)
  if (value === undefined) known.set(key, (value = read()))
  return value
}
