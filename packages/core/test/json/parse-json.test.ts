import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../src/index.ts'

describe('JSON from outside', () => {
  it.each([
    ['null', null],
    [' \t\r\n true ', true],
    ['-0', -0],
    ['1e2', 100],
    ['"\\u00e4\\ud83d\\ude00\\n\\/"', 'ä😀\n/'],
    ['"\\\\"', '\\'],
    ['"\\\\\\""', '\\"'],
    ['""', ''],
    ['[ ]', []],
    ['{ }', {}],
    [' { "a" : [ 1 , { } ] , "" : "b" } ', { a: [1, {}], '': 'b' }],
  ])('%s is taken', (text, value) => {
    expect(parseJson(text)).toEqual(value)
  })

  it.each([
    '',
    ' ',
    'nul',
    'nulll',
    'undefined',
    'NaN',
    "'a'",
    '"',
    '"a',
    '"\\"',
    '"\\x41"',
    '"\\u12"',
    '"\n"',
    '"\u0000"',
    '01',
    '+1',
    '1.',
    '.5',
    '-',
    '1e',
    '0x10',
    '1e400',
    '-1e400',
    '[',
    '[1',
    '[1,]',
    '[,1]',
    '[1 2]',
    '[1}',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,}',
    '{a:1}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{1:1}',
    '{"a":1]',
    '1 2',
    '{}}',
    '// no\n1',
    '\u00a01',
    '\ufeff1',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '{"\\ud800":1}',
    '"\ud800"',
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":1}',
    '{"__proto__":1,"__proto__":1}',
    '[{"x":{"y":1,"y":1}}]',
    '['.repeat(65) + ']'.repeat(65),
    '['.repeat(100_000),
    '{"a":'.repeat(100_000),
    '['.repeat(100_000) + ']'.repeat(100_000),
  ])('%s is refused, with the position', text => {
    expect(() => parseJson(text)).toThrow(
      expect.objectContaining({
        code: 'INVALID',
        data: expect.objectContaining({ reason: expect.stringMatching(/ at character \d+$/) }),
      }),
    )
  })

  it('is as deep as 64 levels, or as deep as the caller says', () => {
    const text = '['.repeat(64) + ']'.repeat(64)
    expect(JSON.stringify(parseJson(text))).toBe(text)
    expect(() => parseJson(`[${text}]`)).toThrow(expect.objectContaining({ code: 'INVALID' }))
    expect(JSON.stringify(parseJson(`[${text}]`, 65))).toBe(`[${text}]`)
  })

  it('touches no prototype', () => {
    const value = parseJson('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}')
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect((value as { polluted?: unknown }).polluted).toBeUndefined()
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('is what JSON.parse makes of it, where that takes it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (text, indent) => {
        const value: unknown = JSON.parse(text)
        expect(parseJson(JSON.stringify(value, undefined, indent))).toEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  it('is refused wherever JSON.parse refuses it', () => {
    const almost = fc.string({ unit: fc.constantFrom(...'{}[]",:\\ ntrue-01.eE+u"'.split('')), maxLength: 12 })
    fc.assert(
      fc.property(almost, text => {
        expect(outcome(() => parseJson(text))).toEqual(outcome(() => JSON.parse(text)))
      }),
      { numRuns: 5000 },
    )
  })

  it.each(['\\n', '\\\\', '\\"', 'x', 'ä'])('takes megabytes of %s', unit => {
    const text = `"${unit.repeat(4_000_000)}"`
    expect(parseJson(text)).toBe(JSON.parse(text))
  })
})

/** Members that come twice are the one thing that only we refuse; these texts are too short for that. */
function outcome(parse: () => unknown): unknown {
  try {
    return { value: parse() }
  } catch {
    return 'refused'
  }
}
