import { encodeJson } from './content.ts'
import type { HttpDoor } from './door.ts'
import { ClientError } from './errors.ts'
import type { CallOptions, CollectionSettings, SettingsChange } from './wire.ts'

export interface SettingsOptions extends CallOptions {
  /** An Object and a List of one name have settings of their own. Default `objects`. */
  readonly kind?: 'objects' | 'lists'
}

export interface ScriptsClient {
  /** Creates or replaces a merge script. @throws INVALID when it is no function, TOO_LARGE */
  put(name: string, source: string, options?: CallOptions): Promise<void>
  get(name: string, options?: CallOptions): Promise<string | undefined>
  /** Resolves with whether there was one. */
  delete(name: string, options?: CallOptions): Promise<boolean>
  list(options?: CallOptions): Promise<string[]>
}

/** The settings of collections, as the library has them. */
export interface SettingsClient {
  settings(name: string, options?: SettingsOptions): Promise<CollectionSettings>
  /** A member that is left out stays; `null` takes it away. @throws INVALID, TOO_LARGE, MISSING (the script) */
  configure(name: string, change: SettingsChange, options?: SettingsOptions): Promise<CollectionSettings>
  readonly scripts: ScriptsClient
}

const jsonHeaders = { 'content-type': 'application/json' }

export function createSettingsClient(door: HttpDoor): SettingsClient {
  const settingsPath = (name: string, { kind = 'objects' }: SettingsOptions): string =>
    `/v1/settings/${kind}/${encodeURIComponent(name)}`
  const scriptPath = (name: string): string => `/v1/scripts/${encodeURIComponent(name)}`
  return {
    settings: (name, options = {}) =>
      door.json({ method: 'GET', path: settingsPath(name, options), signal: options.signal }),
    configure: (name, change, options = {}) =>
      door.json({
        method: 'PATCH',
        path: settingsPath(name, options),
        headers: jsonHeaders,
        body: encodeJson(change),
        signal: options.signal,
      }),
    scripts: {
      async put(name, source, { signal } = {}) {
        const body = encodeJson({ source })
        await door.json({ method: 'PUT', path: scriptPath(name), headers: jsonHeaders, body, signal })
      },
      async get(name, { signal } = {}) {
        try {
          return (await door.json<{ source: string }>({ method: 'GET', path: scriptPath(name), signal })).source
        } catch (error) {
          if (error instanceof ClientError && error.code === 'MISSING') return undefined
          throw error
        }
      },
      async delete(name, { signal } = {}) {
        return (await door.json<{ deleted: boolean }>({ method: 'DELETE', path: scriptPath(name), signal })).deleted
      },
      list: async ({ signal } = {}) =>
        (await door.json<{ scripts: string[] }>({ method: 'GET', path: '/v1/scripts', signal })).scripts,
    },
  }
}
