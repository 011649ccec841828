import type { JsonValue } from '@atolldb/core'
import { linearPattern } from './linear-pattern.ts'

/**
 * What it costs to check a value against a schema, counted in steps before it is checked, so that it is a function of the two
 * and the same everywhere. Counts more than is done: every branch of a choice, and every pattern whatever the type.
 *
 *     each keyword at each place of the value that it may meet    1
 *     each member that is listed, each item of `contains`         2
 *     a string that is measured or compared                       1 for 16 characters
 *     a pattern on a string or a name                             instructions × characters
 *     `uniqueItems`                                               1 for 4 items × places in them
 */
export type SchemaCost = (value: JsonValue) => number

/** Of rules version 1. About a tenth of a second where the steps are the dearest. */
export const MAX_SCHEMA_STEPS = 1_000_000

type Schema = { readonly [keyword: string]: JsonValue }
type Count = (value: JsonValue, meter: Meter) => void

interface Meter {
  /** Below zero: it is too much, and need not be counted to the end. */
  left: number
}

/** For a schema without references that is known to be well-formed. */
export function schemaCost(schema: JsonValue): SchemaCost {
  const count = countSchema(schema)
  return value => {
    const meter = { left: MAX_SCHEMA_STEPS }
    count(value, meter)
    return MAX_SCHEMA_STEPS - meter.left
  }
}

function countSchema(schema: JsonValue): Count {
  if (!isObject(schema)) return countSteps(1)
  const counts = Object.entries(schema).flatMap(([keyword, value]) => countKeyword(keyword, value, schema) ?? [])
  const steps = 1 + Object.keys(schema).length
  return (value, meter) => {
    meter.left -= steps
    for (const count of counts) if (meter.left >= 0) count(value, meter)
  }
}

function countSteps(steps: number): Count {
  return (_value, meter) => {
    meter.left -= steps
  }
}

/** What it takes beyond one step; undefined for nothing. */
function countKeyword(keyword: string, value: JsonValue, schema: Schema): Count | undefined {
  switch (keyword) {
    case 'allOf':
    case 'anyOf':
    case 'oneOf':
      return each((value as JsonValue[]).map(countSchema))
    case 'not':
    case 'if':
    case 'then':
    case 'else':
      return countSchema(value)
    case 'dependentSchemas':
    case 'dependencies':
      return each(
        Object.values(value as Schema).map(member => (Array.isArray(member) ? countData(member) : countSchema(member))),
      )
    case 'items':
      return onItems(countSchema(value))
    case 'contains':
      return onItems(each([countSteps(2), countSchema(value)]))
    case 'prefixItems':
      return onPrefix((value as JsonValue[]).map(countSchema))
    case 'properties':
      return onProperties(Object.entries(value as Schema).map(([name, member]) => [name, countSchema(member)]))
    case 'additionalProperties':
      return onMembers(countSchema(value))
    case 'patternProperties':
      return each(Object.entries(value as Schema).map(([pattern, member]) => onMatching(pattern, countSchema(member))))
    case 'propertyNames':
      return onNames(countSchema(value))
    case 'pattern':
      return onPattern(value as string)
    case 'minLength':
    case 'maxLength':
      return (text, meter) => {
        if (typeof text === 'string') meter.left -= stepsOfText(text)
      }
    case 'const':
      return countComparison([value])
    case 'enum':
      return countComparison(value as JsonValue[])
    case 'required':
    case 'dependentRequired':
      return countData(value)
    case 'minProperties':
    case 'maxProperties':
      return (members, meter) => {
        if (isObject(members)) meter.left -= 2 * Object.keys(members).length
      }
    case 'uniqueItems':
      return value === true ? countPairs(schema['maxItems'] as number) : undefined
    default:
      return undefined
  }
}

function each(counts: readonly Count[]): Count {
  return (value, meter) => {
    for (const count of counts) if (meter.left >= 0) count(value, meter)
  }
}

function onItems(count: Count): Count {
  return (items, meter) => {
    if (!Array.isArray(items)) return
    for (const item of items) {
      if (meter.left < 0) return
      count(item, meter)
    }
  }
}

function onPrefix(counts: readonly Count[]): Count {
  return (items, meter) => {
    if (!Array.isArray(items)) return
    for (const [i, count] of counts.entries()) if (i < items.length && meter.left >= 0) count(items[i]!, meter)
  }
}

function onProperties(counts: readonly (readonly [string, Count])[]): Count {
  return (members, meter) => {
    if (!isObject(members)) return
    meter.left -= counts.length
    for (const [name, count] of counts)
      if (meter.left >= 0 && Object.hasOwn(members, name)) count(members[name]!, meter)
  }
}

function onMembers(count: Count): Count {
  return (members, meter) => {
    if (!isObject(members)) return
    for (const member of Object.values(members)) {
      if (meter.left < 0) return
      meter.left -= 2
      count(member, meter)
    }
  }
}

function onNames(count: Count): Count {
  return (members, meter) => {
    if (!isObject(members)) return
    for (const name of Object.keys(members)) {
      if (meter.left < 0) return
      meter.left -= 2
      count(name, meter)
    }
  }
}

/** The pattern is asked once for its own schema, and again for `additionalProperties`. Every name may match. */
function onMatching(pattern: string, count: Count): Count {
  const matching = onPattern(pattern)
  const names = onNames((name, meter) => {
    matching(name, meter)
    matching(name, meter)
  })
  return each([names, onMembers(count)])
}

function onPattern(pattern: string): Count {
  const { size } = linearPattern(pattern)
  return (text, meter) => {
    if (typeof text === 'string') meter.left -= size * (text.length + 1)
  }
}

function countData(data: JsonValue): Count {
  return countSteps(placesOf(data))
}

/** Two that are objects or arrays both are gone through together, and the names of all members are listed. */
function countComparison(wanted: readonly JsonValue[]): Count {
  const steps = wanted.reduce<number>((sum, data) => sum + placesOf(data), 0)
  const structured = wanted.filter(data => typeof data === 'object' && data !== null).length
  return (value, meter) => {
    meter.left -= steps
    if (structured > 0 && typeof value === 'object' && value !== null) meter.left -= structured * placesOf(value)
  }
}

function countPairs(maxItems: number): Count {
  return (items, meter) => {
    // Of more than that, none are compared.
    if (Array.isArray(items) && items.length <= maxItems) meter.left -= Math.ceil((items.length * placesOf(items)) / 4)
  }
}

/** The value and everything in it; long strings count for more. */
function placesOf(value: JsonValue): number {
  if (typeof value === 'string') return 1 + stepsOfText(value)
  if (typeof value !== 'object' || value === null) return 1
  let places = 1
  for (const inner of Object.values(value)) places += placesOf(inner)
  return places
}

function stepsOfText(text: string): number {
  return Math.ceil(text.length / 16)
}

function isObject(value: JsonValue): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
