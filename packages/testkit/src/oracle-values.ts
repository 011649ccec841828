import { decodeUtf8 } from '@atolldb/core'
import type { RecordContent } from '@atolldb/core'

/** The arithmetic of values for the oracle: JSON with Maps for objects; a symbol is bytes. */
export type Value = string | number | boolean | null | symbol | Value[] | Map<string, Value>
export type Path = readonly string[]
export type Assignment = readonly [path: Path, value: Value | undefined]

export function difference(path: Path, before: Value | undefined, after: Value): Assignment[] {
  if (!(before instanceof Map && after instanceof Map)) return print(before) === print(after) ? [] : [[path, after]]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key): Assignment[] =>
    after.has(key) ? difference([...path, key], before.get(key), after.get(key)!) : [[[...path, key], undefined]],
  )
}

export function assign(value: Value | undefined, path: Path, assigned: Value | undefined): Value | undefined {
  const [key, ...rest] = path
  if (key === undefined) return assigned
  const before = value instanceof Map ? value : new Map<string, Value>()
  if (assigned === undefined && !before.has(key)) return value
  const child = assign(before.get(key), rest, assigned)
  const after = new Map(before)
  if (child === undefined) after.delete(key)
  else after.set(key, child)
  return after
}

/** What is at a path after these assignments, the first of which to matter is at the path or around it. */
export function outcomeAt(assignments: readonly Assignment[], path: Path): Value | undefined {
  let outcome: Value | undefined
  for (const [assignedPath, value] of assignments)
    if (startsWith(path, assignedPath)) {
      outcome = value
      for (const key of path.slice(assignedPath.length)) outcome = outcome instanceof Map ? outcome.get(key) : undefined
    } else if (startsWith(assignedPath, path)) outcome = assign(outcome, assignedPath.slice(path.length), value)
  return outcome
}

export function startsWith(path: Path, start: Path): boolean {
  return start.every((key, i) => path[i] === key)
}

export function parse(content: RecordContent | undefined): Value | undefined {
  if (content === undefined) return undefined
  if (content.format === 'bytes') return Symbol.for(content.version)
  return toValue(JSON.parse(decodeUtf8(content.bytes)))
}

function toValue(json: unknown): Value {
  if (Array.isArray(json)) return json.map(toValue)
  if (typeof json !== 'object' || json === null) return json as Value
  return new Map(Object.entries(json).map(([key, child]) => [key, toValue(child)]))
}

/** The same text for the same value. */
export function print(value: Value | undefined): string {
  if (value instanceof Map) {
    const sorted = [...value].sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${sorted.map(([key, child]) => `${JSON.stringify(key)}:${print(child)}`).join(',')}}`
  }
  if (Array.isArray(value)) return `[${value.map(print).join(',')}]`
  return typeof value === 'symbol' ? String(value) : value === undefined ? 'nothing' : JSON.stringify(value)
}
