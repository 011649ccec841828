import { expect, test } from 'vitest'
import { loadScriptEngine } from '../../src/rules/script-engine.ts'

const engine = await loadScriptEngine()
const run = (source: string, base?: unknown, versions: unknown[] = [1, 2]) =>
  engine.run({
    source,
    base: base === undefined ? undefined : JSON.stringify(base),
    versions: versions.map(version => (version === undefined ? undefined : JSON.stringify(version))),
  })

test('a script gets base and versions, and gives the value', async () => {
  const sum = '(base, versions) => versions.reduce((sum, version) => sum + version - base, base)'
  expect(await run(sum, 10, [13, 11])).toEqual({ result: '14' })
  expect(
    await run('(base, versions) => ({ base, versions: versions.map(v => v === undefined) })', undefined, [
      1,
      undefined,
    ]),
  ).toEqual({
    result: '{"versions":[false,true]}',
  })
  expect(await run('function merge() { return undefined } // ends in a comment')).toEqual({ result: undefined })
})

test.each([
  ['throws', '() => { throw new Error("no") }', 'Error: no'],
  ['is no function', '42', 'TypeError: the script is no function'],
  ['is no JavaScript', '() =>', /^SyntaxError/],
  ['returns no JSON', '() => () => 1', 'TypeError: the script returned no JSON'],
  ['pads a string beyond all measure', "() => 'x'.padEnd(2 ** 30).length", 'RangeError: invalid string length'],
  ['nests groups in a pattern', "() => new RegExp('('.repeat(1e5) + ')'.repeat(1e5))", /^SyntaxError/],
  ['returns a circle', '() => { const a = []; a.push(a); return a }', /^TypeError: circular/],
])('a script that %s has failed', async (_what, source, message) => {
  expect(await run(source)).toEqual({
    failure: 'failed',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  })
})

test('there is no clock, no randomness, no locale, nothing of the host', async () => {
  const names = [
    'Date',
    'Intl',
    'Promise',
    'process',
    'require',
    'WeakRef',
    'Uint8Array',
    'DataView',
    'SharedArrayBuffer',
    'performance',
    'console',
    'setTimeout',
    'gc',
    'std',
    'os',
  ]
  const source = `() => [${names.map(name => `typeof ${name}`).join(', ')}, typeof Math.random]`
  expect(await run(source)).toEqual({ result: JSON.stringify([...names, 'Math.random'].map(() => 'undefined')) })
  expect(
    await run('() => ["ä".localeCompare("z") > 0, (1234.5).toLocaleString(), "I".toLocaleLowerCase("tr")]'),
  ).toEqual({
    result: '[true,"1234.5","i"]',
  })
})

test('what a script does to its world meets neither the next script nor the host', async () => {
  const spoil = `(() => {
    Object.prototype.spoilt = Array.prototype.spoilt = globalThis.spoilt = true
    return () => ({ __proto__: { spoilt: true }, ['__proto__']: { spoilt: true } })
  })()`
  expect(await run(spoil)).toEqual({ result: '{"__proto__":{"spoilt":true}}' })
  expect(await run('() => [typeof ({}).spoilt, typeof [].spoilt, typeof spoilt]')).toEqual({
    result: '["undefined","undefined","undefined"]',
  })
  expect('spoilt' in {}).toBe(false)
  // Every way to a function that makes functions ends in the same empty world.
  const ways = ['(() => {}).constructor', '(function* () {}).constructor', 'this.constructor.constructor', 'Function']
  for (const way of ways) {
    const look = `() => { const f = ${way}('return typeof process + typeof require + typeof Date')(); return f.next?.().value ?? f }`
    expect(await run(look), way).toEqual({ result: '"undefinedundefinedundefined"' })
  }
})
