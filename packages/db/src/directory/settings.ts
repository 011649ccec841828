/**
 * `state/node.json`: what a node must remember that is neither data nor derivable.
 *
 *     { "name": string, "cluster": root commit id | null, "offline": boolean, "incarnation": number, "hasBegun": boolean,
 *       "addresses": [multiaddr…], "listen": [multiaddr…], "bootstrap": [multiaddr…], "node": node id | null,
 *       "crc32": CRC-32 of the JSON text of all members before it }
 *
 * `incarnation` grows with every start and numbers our glob messages; `addresses` are those of peers once met, dialled for ever;
 * `hasBegun` says that there was a `main` once, so that its absence is damage and no new beginning; `node` is whose key
 * `identity.key` must hold. The last two members came later: a file without a checksum has no member but those before.
 */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type AtollError, type CommitId, corrupt, isAtollError, isObjectId } from '@atolldb/core'
import { writeFileDurably } from '@atolldb/git'
import { Mutex } from '../scheduling/mutex.ts'
import { readTextIfThere } from './data-directory.ts'

export interface NodeSettings {
  readonly name: string | undefined
  readonly cluster: CommitId | undefined
  readonly offline: boolean
  readonly incarnation: number
  readonly addresses: readonly string[]
  /** As it was last opened with. */
  readonly listen: readonly string[]
  readonly bootstrap: readonly string[]
  /** It has, or had, a `main`: a repository without one is damaged, not new. */
  readonly hasBegun: boolean
  /** Whose key `identity.key` holds. */
  readonly node: string | undefined
}

const EMPTY: NodeSettings = {
  name: undefined,
  cluster: undefined,
  offline: false,
  incarnation: 0,
  addresses: [],
  listen: [],
  bootstrap: [],
  hasBegun: false,
  node: undefined,
}

/** The settings of a node, kept in a file that is replaced at every change. */
export class SettingsFile {
  readonly #file: string | undefined
  readonly #mutex = new Mutex()
  #settings: NodeSettings
  #onFailed: (failure: AtollError<'STORAGE_FAILED'>) => void = () => undefined

  private constructor(file: string | undefined, settings: NodeSettings) {
    this.#file = file
    this.#settings = settings
  }

  /** @throws CORRUPT, NOT_ACCESSIBLE */
  static async load(stateDirectory: string): Promise<SettingsFile> {
    const file = settingsFile(stateDirectory)
    const text = await readTextIfThere(file)
    return new SettingsFile(file, text === undefined ? EMPTY : parseSettings(file, text))
  }

  get current(): NodeSettings {
    return this.#settings
  }

  /** Is told when the disk fails, which ends more than a change of settings. */
  onFailed(listener: (failure: AtollError<'STORAGE_FAILED'>) => void): void {
    this.#onFailed = listener
  }

  /**
   * Durable when it resolves. @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE: then nothing changed for this process, and the
   * next one finds what was or what was asked for, whole. Asked for again it is written anew, into another file
   */
  change(changes: Partial<NodeSettings>): Promise<void> {
    return this.#mutex.run(async () => {
      const next = { ...this.#settings, ...changes }
      const stored = { ...next, name: next.name ?? null, cluster: next.cluster ?? null, node: next.node ?? null }
      const text = JSON.stringify({ ...stored, crc32: crc32(JSON.stringify(stored)) })
      await this.#write(Buffer.from(`${text}\n`))
      this.#settings = next
    })
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#file === undefined) return
    try {
      await writeFileDurably(this.#file, bytes)
    } catch (error) {
      if (isAtollError(error, 'STORAGE_FAILED')) this.#onFailed(error)
      throw error
    }
  }
}

function parseSettings(file: string, text: string): NodeSettings {
  try {
    const { crc32: checksum, ...stored } = JSON.parse(text) as Record<string, unknown>
    const { name, cluster, offline, incarnation, addresses, listen, bootstrap, hasBegun, node = null } = stored
    if (
      (checksum === undefined ? hasOnlyFirstMembers(stored) : checksum === crc32(JSON.stringify(stored))) &&
      (node === null || typeof node === 'string') &&
      (name === null || typeof name === 'string') &&
      (cluster === null || (typeof cluster === 'string' && isObjectId(cluster))) &&
      typeof offline === 'boolean' &&
      typeof incarnation === 'number' &&
      typeof hasBegun === 'boolean' &&
      isTexts(addresses) &&
      isTexts(listen) &&
      isTexts(bootstrap)
    )
      return {
        name: name ?? undefined,
        cluster: (cluster as CommitId | null) ?? undefined,
        offline,
        incarnation,
        addresses,
        listen,
        bootstrap,
        hasBegun,
        node: node ?? undefined,
      }
  } catch (cause) {
    throw damaged(file, cause)
  }
  throw damaged(file)
}

/** Written before there were checksums; no damaged member may pass for that. */
function hasOnlyFirstMembers(stored: Readonly<Record<string, unknown>>): boolean {
  const known = new Set(Object.keys(EMPTY).filter(name => name !== 'node'))
  return Object.keys(stored).every(name => known.has(name))
}

export function settingsFile(stateDirectory: string): string {
  return join(stateDirectory, 'node.json')
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

function damaged(file: string, cause?: unknown): AtollError<'CORRUPT'> {
  return corrupt(file, 'not the state of a node', { cause })
}
