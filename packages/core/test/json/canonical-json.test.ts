import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, isCanonicalJson, parseCanonicalJson, parseJson } from '../../src/index.ts'

describe('canonical JSON', () => {
  // RFC 8785, appendix B: the bits of a double and its text.
  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('prints the double %s as %s', (bits, text) => {
    const value = new DataView(Uint8Array.from(Buffer.from(bits, 'hex')).buffer).getFloat64(0)
    expect(canonicalJson(value)).toBe(text)
    expect(canonicalJson(parseJson(text))).toBe(text)
  })

  it.each([NaN, Infinity, -Infinity])('refuses %d', value => {
    expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })

  it('is as in the examples of RFC 8785', () => {
    // Section 3.2.2
    expect(
      canonicalJson(
        parseJson(`{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
          "literals": [null, true, false]
        }`),
      ),
    ).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
    // Section 3.2.3: members are sorted by UTF-16 units.
    expect(
      canonicalJson({
        '\u20ac': 'Euro Sign',
        '\r': 'Carriage Return',
        '\ufb33': 'Hebrew Letter Dalet With Dagesh',
        '1': 'One',
        '\u{1f600}': 'Emoji: Grinning Face',
        '\u0080': 'Control',
        '\u00f6': 'Latin Small Letter O With Diaeresis',
      }),
    ).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    )
  })

  // After the test data of the RFC's author (cyberphone/json-canonicalization).
  it.each([
    ['arrays', '[ 56, { "d": true, "10": null, "1": [ ] } ]', '[56,{"1":[],"10":null,"d":true}]'],
    [
      'french',
      '{ "peach": "This sorting order", "péché": "is wrong according to French", "pêche": "but canonicalization MUST", "sin": "ignore locale" }',
      '{"peach":"This sorting order","péché":"is wrong according to French","pêche":"but canonicalization MUST","sin":"ignore locale"}',
    ],
    [
      'structures',
      '{ "1": {"f": {"f": "hi","F": 5} ,"\\n": 56.0}, "10": { }, "": "empty", "a": { }, "111": [ {"e": "yes","E": "no" } ], "A": { } }',
      '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
    ],
    ['unicode', '{ "Unnormalized Unicode":"A\\u030a" }', '{"Unnormalized Unicode":"A\u030a"}'],
    [
      'weird',
      '{ "\\u20ac": "Euro Sign", "\\r": "Carriage Return", "\\u000a": "Newline", "1": "One", "\\u0080": "Control\\u007f", "\\ud83d\\ude02": "Smiley", "\\u00f6": "Latin Small Letter O With Diaeresis", "\\ufb33": "Hebrew Letter Dalet With Dagesh", "</script>": "Browser Challenge" }',
      '{"\\n":"Newline","\\r":"Carriage Return","1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😂":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    ],
  ])('sorts and prints %s', (_, input, output) => {
    expect(canonicalJson(parseJson(input))).toBe(output)
  })

  it('does not depend on the order of members, and parses to the same value', () => {
    const json = fc.jsonValue({ maxDepth: 5 })
    fc.assert(
      fc.property(json, value => {
        const text = canonicalJson(value)
        expect(canonicalJson(reversed(value))).toBe(text)
        expect(parseCanonicalJson(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(parseJson(text)).toEqual(parseCanonicalJson(text))
        expect(isCanonicalJson(text)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('escapes what JSON.stringify escapes, in names too', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), text => {
        expect(canonicalJson({ [text]: text })).toBe(JSON.stringify({ [text]: text }))
      }),
      { numRuns: 1000 },
    )
    for (let unit = 0; unit < 0x100; unit++) {
      const text = String.fromCharCode(unit)
      expect(canonicalJson(text)).toBe(JSON.stringify(text))
    }
  })

  class Farm {
    readonly crop = 'rye'
  }
  const sparse: unknown[] = [1]
  sparse[2] = 3
  const looped: { self?: unknown } = {}
  looped.self = looped

  it.each([
    ['value', undefined],
    ['value.a', { a: undefined }],
    ['value.a[1].b', { a: [1, { b: () => 1 }] }],
    ['value[1]', sparse],
    ['value.s', { s: Symbol('s') }],
    ['value.n', { n: 10n }],
    ['value.n', { n: NaN }],
    ['value.d', { d: new Date(0) }],
    ['value.farm', { farm: new Farm() }],
    ['value.m', { m: new Map() }],
    ['value.b', { b: new Uint8Array(2) }],
    ['value.toJSON', { toJSON: () => 1 }],
    ['value[0]', [new String('boxed')]],
    ['value.x', { x: '\ud800' }],
    ['value.x', { x: `${'long '.repeat(20)}\udfff` }],
    ['value.\ud800', { '\ud800': 1 }],
  ])('refuses, at %s, what JSON cannot hold', (what, value) => {
    expect(() => canonicalJson(value)).toThrow(
      expect.objectContaining({ code: 'INVALID', data: expect.objectContaining({ what }) }),
    )
  })

  it('is at most 64 deep, which ends cycles too', () => {
    expect(canonicalJson(deep(64))).toBe('['.repeat(64) + ']'.repeat(64))
    expect(() => canonicalJson(deep(65))).toThrow(expect.objectContaining({ code: 'INVALID' }))
    expect(() => canonicalJson(looped)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })

  it('takes objects without prototype, and members called like those of prototypes', () => {
    const value = Object.assign(Object.create(null) as object, { b: 1, a: 2 })
    expect(canonicalJson(value)).toBe('{"a":2,"b":1}')
    const text = '{"__proto__":{"x":1},"constructor":2,"hasOwnProperty":3,"toString":4}'
    expect(canonicalJson(parseJson(text))).toBe(text)
    expect(canonicalJson(parseCanonicalJson(text))).toBe(text)
  })

  it('is at most 1 MiB of UTF-8', () => {
    const limit = 1024 * 1024
    expect(canonicalJson('x'.repeat(limit - 2))).toHaveLength(limit)
    expect(canonicalJson('ä'.repeat(limit / 2 - 1))).toHaveLength(limit / 2 + 1)
    for (const value of ['x'.repeat(limit - 1), 'ä'.repeat(limit / 2), '\n'.repeat(limit / 2)])
      expect(() => canonicalJson(value)).toThrow(
        expect.objectContaining({ code: 'TOO_LARGE', data: expect.objectContaining({ limit }) }),
      )
  })
})

it.each([
  '{"b":1,"a":2}',
  '{"a": 1}',
  ' 1',
  '1\n',
  '1.0',
  '-0',
  '1E3',
  '"\\u0041"',
  '"\\/"',
  '"\\ud800"',
  '{"a":1,"a":1}',
  '{"a":1,"b":2,"a":1}',
  '1e999',
  'x',
  '',
  '[1,]',
  '['.repeat(65) + ']'.repeat(65),
  '['.repeat(100_000) + ']'.repeat(100_000),
  '['.repeat(1_000_000),
])('%s is not canonical', text => {
  expect(isCanonicalJson(text)).toBe(false)
})

function deep(levels: number): unknown {
  let value: unknown = []
  for (let i = 1; i < levels; i++) value = [value]
  return value
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inside]) => [key, reversed(inside)] as const)
      .toReversed(),
  )
}
