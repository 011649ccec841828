import type { JsonValue } from '../records.ts'

/** A value that paths are assigned in. A symbol stands for bytes: a value without paths, the same only as itself. */
export type FieldValue = JsonValue | symbol

/**
 * The arithmetic of the `fields` policy: a change of a JSON value as assignments of paths, and values as their replay.
 * Objects are recursed into; arrays and scalars are whole. No value that is given is changed (see `Own`), and `__proto__` is
 * a key like any other: keys are only read when they are the object's own, and only written where there is no prototype.
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
  path: string[],
  into: Assignment[],
): void {
  if (before === undefined || !isJsonObject(before) || !isJsonObject(after)) {
    if (before === undefined || !jsonEqual(before, after)) into.push({ path: [...path], value: after })
    return
  }
  for (const key of Object.keys(after)) {
    path.push(key)
    collectAssignments(ownValue(before, key), after[key]!, path, into)
    path.pop()
  }
  for (const key of Object.keys(before))
    if (!Object.hasOwn(after, key)) into.push({ path: [...path, key], value: undefined })
}

/**
 * The objects and maps that one replay has made. They are changed in place, so that many assignments to one large value copy
 * it once; whatever else it is given, it copies first. What a replay returns is good until it goes on.
 */
export type Own = Set<object>

/**
 * The value with one path assigned. Missing and non-object values on the way become objects; a removal finds nothing to
 * remove there and changes nothing.
 */
export function assign(
  value: FieldValue | undefined,
  assignment: Assignment,
  own: Own = new Set(),
): FieldValue | undefined {
  return assignAt(value, assignment, own, 0)
}

function assignAt(
  value: FieldValue | undefined,
  assignment: Assignment,
  own: Own,
  depth: number,
): FieldValue | undefined {
  if (depth === assignment.path.length) return assignment.value
  const key = assignment.path[depth]!
  const child = ownValue(value, key)
  if (assignment.value === undefined && child === undefined) return value
  const assigned = assignAt(child, assignment, own, depth + 1)
  const object = ownObject(value, own)
  if (assigned === undefined) delete object[key]
  // Bytes are only ever a whole record.
  else object[key] = assigned as JsonValue
  return object
}

function ownObject(value: FieldValue | undefined, own: Own): { [key: string]: JsonValue } {
  const isObject = value !== undefined && isJsonObject(value)
  if (isObject && own.has(value)) return value
  // Without a prototype, so that `__proto__` is written like any other key.
  const object = Object.create(null) as { [key: string]: JsonValue }
  if (isObject) for (const key of Object.keys(value)) object[key] = value[key]!
  own.add(object)
  return object
}

/**
 * The net outcome of several assignments in their order: the paths they touched, each with the last value. A path within
 * an assigned one is part of its value.
 */
export type Outcomes =
  { readonly value: FieldValue | undefined } | { readonly children: ReadonlyMap<string, Outcomes> } | undefined

export function addOutcome(outcomes: Outcomes, assignment: Assignment, own: Own = new Set()): Outcomes {
  return addOutcomeAt(outcomes, assignment, own, 0)
}

function addOutcomeAt(outcomes: Outcomes, assignment: Assignment, own: Own, depth: number): Outcomes {
  if (depth === assignment.path.length) return { value: assignment.value }
  if (outcomes !== undefined && 'value' in outcomes) return { value: assignAt(outcomes.value, assignment, own, depth) }
  const key = assignment.path[depth]!
  const children = ownChildren(outcomes?.children, own)
  children.set(key, addOutcomeAt(children.get(key), assignment, own, depth + 1))
  return { children }
}

function ownChildren(children: ReadonlyMap<string, Outcomes> | undefined, own: Own): Map<string, Outcomes> {
  if (children !== undefined && own.has(children)) return children as Map<string, Outcomes>
  const copy = new Map(children)
  own.add(copy)
  return copy
}

/** Do both touch an equal or nested path with different outcome? */
export function outcomesClash(a: Outcomes, b: Outcomes): boolean {
  if (a === undefined || b === undefined) return false
  if ('value' in a) {
    if ('value' in b) return !jsonEqual(a.value, b.value)
    for (const [key, child] of b.children) if (outcomesClash({ value: ownValue(a.value, key) }, child)) return true
    return false
  }
  // There are often many versions beside a large one: what is looked at is the smaller of two.
  if ('value' in b || b.children.size < a.children.size) return outcomesClash(b, a)
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
