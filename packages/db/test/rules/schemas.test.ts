import type { JsonValue } from '@atolldb/core'
import { describe, expect, test } from 'vitest'
import { MAX_SCHEMA_STEPS, schemaCost } from '../../src/rules/schema-cost.ts'
import { Schemas } from '../../src/rules/schemas.ts'

const schemas = new Schemas()

function times<T>(n: number, make: (i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => make(i))
}

function members<T>(n: number, make: (i: number) => T): Record<string, T> {
  return Object.fromEntries(times(n, i => [`p${i}`, make(i)]))
}

function nested(depth: number): JsonValue {
  return depth === 0 ? {} : { items: nested(depth - 1) }
}

describe('is refused, and demands nothing where it comes from elsewhere:', () => {
  const definitions = (schema: JsonValue, others: { [name: string]: JsonValue } = {}): JsonValue => ({
    $defs: { a: schema, ...others },
    $ref: '#/$defs/a',
  })
  test.each<[string, JsonValue]>([
    ['more than the stack of a host may take', { items: { allOf: times(1_700, () => ({ maximum: 5 })) } }],
    ['too many schemas and keywords', { allOf: times(250, () => ({ maximum: 5 })) }],
    ['too deep a schema', nested(33)],
    [
      'references that lead to too much',
      definitions({ allOf: times(30, () => ({ $ref: '#/$defs/b' })) }, { b: { anyOf: times(30, () => true) } }),
    ],
    [
      'a chain of references that is too long',
      {
        $defs: members(40, i => ({ $ref: `#/$defs/p${i + 1}` })),
        $ref: '#/$defs/p0',
      },
    ],
    ['a reference to what stands around it', definitions({ $defs: { b: { $ref: '#/$defs/a' } } })],
    ['a reference that cannot be read', { $ref: '#/%' }],
    ['names within, from which references would count', { items: { $id: 'x', allOf: [{ $ref: '#/items' }] } }],
    ['what is no schema', null],
    ['a name that is no string', { $id: 7 }],
    [
      'long lists behind many references',
      definitions(
        { allOf: times(50, () => ({ $ref: '#/$defs/b' })) },
        { b: { enum: times(1_000, i => `value ${i}`) } },
      ),
    ],
    ['patterns of too many groups within groups', { pattern: '('.repeat(100) + ')'.repeat(100) }],
    ['a member that ajv passes over', { dependentSchemas: { ['__proto__']: false } }],
  ])('%s', (_, schema) => {
    expect(() => schemas.check(schema)).toThrow(expect.objectContaining({ code: 'INVALID' }))
    expect(schemas.violationOf(schema, 7)).toBe(undefined)
  })
})

test('references lead where they say, with what stands beside them', () => {
  const schema = {
    $id: 'https://example.org/farm',
    $defs: { id: { type: 'string' }, 'a/b': { minLength: 2 }, $id: { maxLength: 4 } },
    properties: {
      name: { $ref: '#/$defs/id', maxLength: 3, allOf: [{ $ref: '#/$defs/a~1b' }] },
      other: { $ref: '#/properties/name' },
      $id: { $ref: '#/$defs/$id' },
    },
  }
  schemas.check(schema)
  expect(schemas.violationOf(schema, { name: 'abc', other: 'abc', $id: 'abcd' })).toBe(undefined)
  expect(schemas.violationOf(schema, { name: 7 })).toMatchObject({ path: '/name', rule: 'type' })
  expect(schemas.violationOf(schema, { name: 'a' })).toMatchObject({ path: '/name', rule: 'minLength' })
  expect(schemas.violationOf(schema, { other: 'abcd' })).toMatchObject({ path: '/other', rule: 'maxLength' })
  expect(schemas.violationOf(schema, { $id: 'abcde' })).toMatchObject({ path: '/$id', rule: 'maxLength' })
})

test('a pattern meets no backtracking where it meets the names beside it either', () => {
  const schema = { properties: { [`${'a'.repeat(40)}!`]: true }, patternProperties: { '^(a+)+$': { type: 'string' } } }
  schemas.check(schema)
  expect(schemas.violationOf(schema, { aa: 7 })).toMatchObject({ rule: 'type' })
})

describe('what takes too many steps is not checked:', () => {
  test.each<[string, JsonValue, (n: number) => JsonValue, number]>([
    ['patterns', { allOf: times(10, () => ({ pattern: '^[a-z]*$' })) }, n => 'a'.repeat(n), 10_000],
    ['patterns on names', { propertyNames: { pattern: '^[a-z0-9]*$' } }, n => members(n, () => 1), 10_000],
    ['items of one another', { uniqueItems: true, maxItems: 1_000 }, n => times(100, i => times(n, j => i + j)), 100],
    [
      'many branches',
      { items: { anyOf: [...times(100, i => ({ const: i })), true] } },
      n => times(n, () => 'a'),
      1_000,
    ],
    ['lengths', { allOf: times(100, () => ({ minLength: 1 })) }, n => 'a'.repeat(n), 50_000],
    [
      'constants',
      { items: { anyOf: [{ enum: times(100, i => ({ i })) }, true] } },
      n => times(n, () => ({ b: 1 })),
      500,
    ],
  ])('%s', (_, schema, valueOf, n) => {
    schemas.check(schema)
    const started = process.cpuUsage().user
    expect(schemas.violationOf(schema, valueOf(n))).toBe(undefined)
    // A tenth of a second, and another where the machine is slow; without bounds it was seconds.
    expect(process.cpuUsage().user - started).toBeLessThan(500_000)
    expect(schemas.violationOf(schema, valueOf(8 * n))).toBe('limits')
  })
})

test('steps are the same everywhere', () => {
  const cost = schemaCost({
    properties: {
      a: { type: 'string', pattern: '^[a-z]*$', maxLength: 40 },
      b: { items: { enum: [1, 'two', { c: 3 }] } },
    },
    additionalProperties: { uniqueItems: true, maxItems: 9 },
  })
  expect(cost(null)).toBe(3)
  expect(cost({ a: 'x'.repeat(32) })).toBe(214)
  expect(cost({ b: [1, { c: 4 }], d: [1, 2, 3, [4]] })).toBe(41)
  expect(cost({ a: 'x'.repeat(1_000_000) })).toBeGreaterThan(MAX_SCHEMA_STEPS)
})

/** Calls it where nearly all of the stack is taken: as on a host that has less of it. */
function onLittleStack<T>(share: number, call: () => T): T {
  const depthOf = (): number => {
    try {
      return 1 + depthOf()
    } catch {
      return 0
    }
  }
  const descend = (depth: number): T => (depth === 0 ? call() : descend(depth - 1))
  return descend(Math.floor(depthOf() * (1 - share)))
}

const nearTheLimits: readonly JsonValue[] = [
  { items: { allOf: times(245, () => true) } },
  { prefixItems: times(245, () => false) },
  { properties: members(160, () => false) },
  { dependentSchemas: members(160, () => false), patternProperties: {} },
  { items: { allOf: times(160, () => ({ maximum: 5 })) } },
  { oneOf: times(160, i => ({ maximum: i })) },
  { dependentRequired: members(245, () => ['a']) },
  times(30, i => i).reduce<JsonValue>(inner => ({ items: inner, allOf: times(3, () => ({ minItems: 1 })) }), {
    type: 'string',
  }),
]

test('a want of stack is no verdict, and is not kept', () => {
  const schema = nearTheLimits[1]!
  const verdict = schemas.violationOf(schema, [7])
  // Wherever the stack ends: before the schema is read, while it is compiled, or when it is called first.
  for (let share = 0.01; share < 0.3; share += 0.01) {
    const fresh = new Schemas()
    try {
      expect(onLittleStack(share, () => fresh.violationOf(schema, [7]))).toEqual(verdict)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
    }
    expect(fresh.violationOf(schema, [7])).toEqual(verdict)
  }
})

test('the largest schemas need little stack', () => {
  for (const schema of nearTheLimits) {
    const value = [7]
    const verdict = schemas.violationOf(schema, value)
    onLittleStack(0.4, () => {
      const fresh = new Schemas()
      fresh.check(schema)
      expect(fresh.violationOf(schema, value)).toEqual(verdict)
    })
  }
})
