import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addOutcome, assign, assignmentsOf, jsonEqual, outcomesClash } from '../../src/merge/assignments.ts'
import type { Assignment, FieldValue, Outcomes } from '../../src/merge/assignments.ts'
import type { JsonValue } from '../../src/records.ts'

const json = fc.letrec<{ value: JsonValue }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>(0, 1, 'x', null, true),
    fc.array(fc.nat({ max: 1 }), { maxLength: 2 }),
    fc
      .array(fc.tuple(fc.constantFrom('a', 'b', '__proto__', 'constructor'), tie('value')), { maxLength: 4 })
      .map(entries => Object.fromEntries(entries) as JsonValue),
  ),
})).value
const replay = (value: FieldValue | undefined, assignments: readonly Assignment[]) =>
  assignments.reduce((before: FieldValue | undefined, assignment) => assign(before, assignment), value)
const assignmentLists = fc.array(
  fc.record({
    path: fc.array(fc.constantFrom('a', 'b', '__proto__', 'constructor'), { maxLength: 3 }),
    value: fc.option(json, { nil: undefined }),
  }),
  { maxLength: 8 },
)
const outcomesOf = (...assignments: Assignment[]) =>
  assignments.reduce((outcomes: Outcomes, assignment) => addOutcome(outcomes, assignment), undefined)
/** Outcomes without their maps. */
const plain = (outcomes: Outcomes): unknown =>
  outcomes === undefined || 'value' in outcomes
    ? JSON.stringify(outcomes)
    : [...outcomes.children].map(([key, child]) => [key, plain(child)])
const set = (path: string, value: JsonValue | undefined): Assignment => ({
  path: path === '' ? [] : path.split('.'),
  value,
})

describe('assignments', () => {
  it('lead from one value to the other, and touch nothing that is equal', () => {
    fc.assert(
      fc.property(fc.option(json, { nil: undefined }), json, (before, after) => {
        const assignments = assignmentsOf(before, after)
        expect(jsonEqual(replay(before, assignments), after)).toBe(true)
        expect(assignments.length === 0).toBe(before !== undefined && jsonEqual(before, after))
      }),
    )
  })

  it('recurse through objects, and take arrays and scalars as wholes', () => {
    expect(assignmentsOf({ a: { b: 1, c: [1] }, d: 1 }, { a: { b: 2, c: [1, 2] }, e: {} })).toEqual([
      set('a.b', 2),
      set('a.c', [1, 2]),
      set('e', {}),
      set('d', undefined),
    ])
    expect(assignmentsOf(1, { a: 1 })).toEqual([set('', { a: 1 })])
    expect(assignmentsOf({ a: 1 }, [1])).toEqual([set('', [1])])
    expect(assignmentsOf(undefined, {})).toEqual([set('', {})])
  })

  it('make objects on their way, and remove only what is there', () => {
    expect(assign(undefined, set('a.b', 1))).toEqual({ a: { b: 1 } })
    expect(assign({ a: [1] }, set('a.b', 1))).toEqual({ a: { b: 1 } })
    expect(assign(Symbol('bytes'), set('a', 1))).toEqual({ a: 1 })
    expect(assign({ a: 5 }, set('a.b', undefined))).toEqual({ a: 5 })
    expect(assign({ a: { b: 1, c: 2 } }, set('a.b', undefined))).toEqual({ a: { c: 2 } })
    expect(assign({}, set('a.b', undefined))).toEqual({})
  })

  it('are the same in place, and leave alone what they were given', () => {
    fc.assert(
      fc.property(fc.option(json, { nil: undefined }), assignmentLists, (before, assignments) => {
        const given = JSON.stringify([before, assignments])
        const own = new Set<object>()
        let value: FieldValue | undefined = before
        let outcomes: Outcomes
        for (const assignment of assignments) {
          value = assign(value, assignment, own)
          outcomes = addOutcome(outcomes, assignment, own)
        }
        expect(jsonEqual(value, replay(before, assignments))).toBe(true)
        expect(plain(outcomes)).toEqual(plain(outcomesOf(...assignments)))
        expect(JSON.stringify([before, assignments])).toBe(given)
      }),
    )
  })

  it('never touch a prototype', () => {
    const value = assign({}, { path: ['__proto__', 'polluted'], value: true })
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":true}}')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(assign({}, set('constructor.name', undefined))).toEqual({})
  })
})

describe('outcomes', () => {
  it.each<[string, Outcomes, Outcomes, boolean]>([
    ['other paths', outcomesOf(set('a', 1)), outcomesOf(set('b', 1)), false],
    ['the same path and value', outcomesOf(set('a', 1)), outcomesOf(set('a', 1)), false],
    ['the same path, two values', outcomesOf(set('a', 1)), outcomesOf(set('a', 2)), true],
    ['both removed', outcomesOf(set('a', undefined)), outcomesOf(set('a', undefined)), false],
    ['removed and assigned', outcomesOf(set('a', undefined)), outcomesOf(set('a', 1)), true],
    ['within an assigned object, alike', outcomesOf(set('a', { b: 1, c: 1 })), outcomesOf(set('a.b', 1)), false],
    ['within an assigned object, differently', outcomesOf(set('a', { b: 1 })), outcomesOf(set('a.b', 2)), true],
    ['within an assigned scalar', outcomesOf(set('a', 1)), outcomesOf(set('a.b', 2)), true],
    ['removed within a removed object', outcomesOf(set('a', undefined)), outcomesOf(set('a.b', undefined)), false],
    ['changed and changed back', outcomesOf(set('a', 2), set('a', 1)), outcomesOf(set('a', 1)), false],
    ['an object and then within it', outcomesOf(set('a', { b: 1 }), set('a.b', 2)), outcomesOf(set('a.b', 2)), false],
    ['nothing', undefined, outcomesOf(set('', 1)), false],
  ])('%s', (_, a, b, clash) => {
    expect(outcomesClash(a, b)).toBe(clash)
    expect(outcomesClash(b, a)).toBe(clash)
  })
})
