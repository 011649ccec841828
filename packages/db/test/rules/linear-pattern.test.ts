import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linearPattern } from '../../src/rules/linear-pattern.ts'

/** Patterns of what is taken, built so that they are well-formed. */
const patterns = fc.letrec<{ pattern: string; atom: string }>(tie => ({
  atom: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      'a',
      'b',
      '-',
      '😀',
      '.',
      '[ab]',
      '[^a]',
      '[a-c\\]]',
      '\\d',
      '\\w',
      '\\.',
      '\\u0061',
      '\\u{1f600}',
      '\\ud83d\\ude00',
    ),
    fc.constantFrom('^', '$', '\\b', '\\B', '(?:)', '[]', '[^]'),
    tie('pattern').map(inner => `(${inner})`),
    tie('pattern').map(inner => `(?:${inner})`),
  ),
  pattern: fc
    .array(fc.tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+', '?', '*?', '{2}', '{0,2}', '{1,}', '|')), {
      maxLength: 4,
    })
    .map(parts =>
      parts
        .map(([atom, suffix]) => (/^(\^|\$|\\b|\\B)$/i.test(atom) && suffix !== '|' ? atom : atom + suffix))
        .join(''),
    ),
}))

test('matches what ECMAScript matches', () => {
  fc.assert(
    fc.property(
      patterns.pattern,
      fc.array(fc.constantFrom('a', 'b', 'c', '-', '1', '.', '😀', '\n'), { maxLength: 6 }),
      (pattern, characters) => {
        const text = characters.join('')
        // V8 looks for \B within the two halves of a character too.
        fc.pre(!(pattern.includes('\\B') && text.includes('😀')))
        expect(linearPattern(pattern).test(text)).toBe(new RegExp(pattern, 'u').test(text))
      },
    ),
    { numRuns: 3_000 },
  )
})

test('takes no more than linear time where backtracking would never end', () => {
  const text = 'a'.repeat(20_000) + '!'
  const started = performance.now()
  for (const pattern of ['^(a+)+$', '^(a|a)*$', '(a*)*b', 'a*a*a*a*a*b'])
    expect(linearPattern(pattern).test(text)).toBe(false)
  expect(performance.now() - started).toBeLessThan(5_000)
})

test.each(['(?=a)', '(?<!a)', '(?<n>a)', '(a)\\1', '\\p{L}', '(', '[z-a]', 'a{501}', '(a{400}){2}'])(
  'refuses %s',
  pattern => {
    expect(() => linearPattern(pattern)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  },
)
