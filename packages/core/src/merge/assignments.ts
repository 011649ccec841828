import type { JsonValue } from '../records.ts'

/** A value that paths are assigned in. A symbol stands for bytes: a value without paths, the same only as itself. */
export type FieldValue = JsonValue | symbol

/**
 * The arithmetic of the `fields` policy: a change of a JSON value as assignments of paths, and values as their replay.
 * Objects are recursed into; arrays and scalars are whole. Every value is immutable here, and `__proto__` is a key like any
 * other: keys are only read when they are the object's own, and only written by definition.
 */
export interface Assignment {
  /** Keys from the root; the empty path is the whole value. */
  readonly path: readonly string[]
  /** Undefined: the path is removed. */
  readonly value: FieldValue | undefined
}

/** What `after` assigns over `before`, which is undefined where there was no record. */
export function assignmentsOf(before: FieldValue | undefined, after: FieldValue): Assignment[] {
  const assignments: Assignment[] = []
  collectAssignments(before, after, [], assignments)
  return assignments
}

function collectAssignments(
  before: FieldValue | undefined,
  after: FieldValue,
  path: readonly string[],
  into: Assignment[],
): void {
  if (before === undefined || !isJsonObject(before) || !isJsonObject(after)) {
    if (before === undefined || !jsonEqual(before, after)) into.push({ path, value: after })
    return
  }
  for (const key of Object.keys(after)) collectAssignments(ownValue(before, key), after[key]!, [...path, key], into)
  for (const key of Object.keys(before))
    if (!Object.hasOwn(after, key)) into.push({ path: [...path, key], value: undefined })
}

/**
 * The value with one path assigned. Missing and non-object values on the way become objects; a removal finds nothing to
 * remove there and changes nothing.
 */
export function assign(value: FieldValue | undefined, assignment: Assignment): FieldValue | undefined {
  return assignAt(value, assignment, 0)
}

function assignAt(value: FieldValue | undefined, assignment: Assignment, depth: number): FieldValue | undefined {
  if (depth === assignment.path.length) return assignment.value
  const key = assignment.path[depth]!
  const child = ownValue(value, key)
  if (assignment.value === undefined && child === undefined) return value
  const assigned = assignAt(child, assignment, depth + 1)
  const object = value !== undefined && isJsonObject(value) ? value : {}
  // Bytes are only ever a whole record.
  if (assigned !== undefined) return { ...object, [key]: assigned as JsonValue }
  const { [key]: _removed, ...rest } = object
  return rest
}

/**
 * The net outcome of several assignments in their order: the paths they touched, each with the last value. A path within
 * an assigned one is part of its value.
 */
export type Outcomes =
  { readonly value: FieldValue | undefined } | { readonly children: ReadonlyMap<string, Outcomes> } | undefined

export function addOutcome(outcomes: Outcomes, assignment: Assignment, depth = 0): Outcomes {
  if (depth === assignment.path.length) return { value: assignment.value }
  if (outcomes !== undefined && 'value' in outcomes) return { value: assignAt(outcomes.value, assignment, depth) }
  const key = assignment.path[depth]!
  const children = new Map(outcomes?.children)
  children.set(key, addOutcome(children.get(key), assignment, depth + 1))
  return { children }
}

/** Do both touch an equal or nested path with different outcome? */
export function outcomesClash(a: Outcomes, b: Outcomes): boolean {
  if (a === undefined || b === undefined) return false
  if ('value' in a) {
    if ('value' in b) return !jsonEqual(a.value, b.value)
    for (const [key, child] of b.children) if (outcomesClash({ value: ownValue(a.value, key) }, child)) return true
    return false
  }
  if ('value' in b) return outcomesClash(b, a)
  for (const [key, child] of a.children) if (outcomesClash(child, b.children.get(key))) return true
  return false
}

/** Are two values the same, whatever the order of keys? */
export function jsonEqual(a: FieldValue | undefined, b: FieldValue | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => jsonEqual(item, b[i]))
  if (!isJsonObject(a) || !isJsonObject(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => Object.hasOwn(b, key) && jsonEqual(ownValue(a, key), ownValue(b, key)))
  )
}

function isJsonObject(value: FieldValue): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function ownValue(value: FieldValue | undefined, key: string): FieldValue | undefined {
  return value !== undefined && isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}
