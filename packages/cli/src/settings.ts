import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, invalid } from '@atolldb/core/errors'
import { parseJson } from '@atolldb/core/json'
import { nonEmpty } from './invocation.ts'

/** How a node is to run. Each comes from the flag, else the environment, else `<data>/config.json`, else the default. */
export interface UpSettings {
  readonly name?: string
  /** Multiaddrs. */
  readonly listen?: readonly string[]
  /** `host:port` of the local door. */
  readonly http?: string
  /** Multiaddrs. */
  readonly bootstrap?: readonly string[]
  readonly cluster?: string
  readonly durability?: 'sync' | 'os'
}

/**
 * `<data>/config.json`: `{ "$schema": "atoll/config/v1", … }` with any of the members of {@link UpSettings}. A member that does
 * not exist is refused, since it is a slip that would go unnoticed.
 */
export const CONFIG_FILE = 'config.json'
export const CONFIG_SCHEMA = 'atoll/config/v1'

const environmentNames = {
  name: 'ATOLL_NAME',
  listen: 'ATOLL_LISTEN',
  http: 'ATOLL_HTTP',
  bootstrap: 'ATOLL_BOOTSTRAP',
  cluster: 'ATOLL_CLUSTER',
  durability: 'ATOLL_DURABILITY',
} as const satisfies Record<keyof UpSettings, string>

/** @throws INVALID, NOT_ACCESSIBLE */
export async function readUpSettings(
  directory: string,
  flags: UpSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<UpSettings> {
  return check({ ...(await readConfigFile(directory)), ...environmentSettings(env), ...flags })
}

function environmentSettings(env: Readonly<Record<string, string | undefined>>): UpSettings {
  const settings: Record<string, unknown> = {}
  for (const [name, variable] of Object.entries(environmentNames)) {
    const text = nonEmpty(env[variable])
    if (text === undefined) continue
    settings[name] = isListSetting(name) ? text.split(/[\s,]+/).filter(part => part !== '') : text
  }
  return settings
}

async function readConfigFile(directory: string): Promise<UpSettings> {
  const path = join(directory, CONFIG_FILE)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code)
    if (code === 'ENOENT' || code === 'ENOTDIR') return {}
    throw new AtollError('NOT_ACCESSIBLE', `${path}: ${code}`, { path, reason: code }, { cause: error })
  }
  const config = parseJson(text)
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw invalid(path, 'must be an object')
  const { $schema: schema, ...settings } = config
  if (schema !== undefined && schema !== CONFIG_SCHEMA) throw invalid(path, `$schema must be ${CONFIG_SCHEMA}`)
  for (const name of Object.keys(settings))
    if (!Object.hasOwn(environmentNames, name)) throw invalid(path, `${JSON.stringify(name)} is not a setting`)
  return settings
}

function isListSetting(name: string): boolean {
  return name === 'listen' || name === 'bootstrap'
}

/** Settings come from people: each is checked for its type, wherever it came from. @throws INVALID */
function check(settings: UpSettings): UpSettings {
  for (const [name, value] of Object.entries(settings)) {
    const isText = (part: unknown): boolean => typeof part === 'string' && part !== ''
    if (isListSetting(name) ? !(Array.isArray(value) && value.every(isText)) : !isText(value))
      throw invalid(name, isListSetting(name) ? 'must be a list of addresses' : 'must be a text')
  }
  const { durability, http } = settings
  if (durability !== undefined && durability !== 'sync' && durability !== 'os')
    throw invalid('durability', 'must be sync or os')
  if (http !== undefined) parseHttpAddress(http)
  return settings
}

/** `127.0.0.1:7400`, `[::1]:7400`, `localhost:0`. @throws INVALID */
export function parseHttpAddress(text: string): { host: string; port: number } {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined || port === undefined || Number(port) > 65_535)
    throw invalid('http', `${JSON.stringify(text)} is not host:port`)
  return { host, port: Number(port) }
}
