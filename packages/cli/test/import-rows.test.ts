import type { AtollError, JsonValue } from '@atolldb/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cellToValue, csvRows } from '../src/import/csv-rows.ts'
import { decodeChunks } from '../src/import/import-source.ts'
import { jsonArrayRows, jsonLineRows } from '../src/import/json-rows.ts'
import type { ParsedRow } from '../src/import/parsed-row.ts'

async function* chunksOf(text: string | Uint8Array, size = Infinity): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
}

async function collect(rows: AsyncIterable<ParsedRow>): Promise<ParsedRow[]> {
  const all: ParsedRow[] = []
  for await (const row of rows) all.push(row)
  return all
}

const csv = (text: string | Uint8Array, size?: number) => collect(csvRows(decodeChunks(chunksOf(text, size))))
const json = (text: string | Uint8Array, size?: number) => collect(jsonArrayRows(decodeChunks(chunksOf(text, size))))
const jsonl = (text: string | Uint8Array, size?: number) => collect(jsonLineRows(decodeChunks(chunksOf(text, size))))

function short(rows: readonly ParsedRow[]): [number, JsonValue | AtollError][] {
  return rows.map(row => [row.line, 'value' in row ? row.value : row.problem])
}

describe('a CSV cell', () => {
  it.each([
    ['0', 0],
    ['7', 7],
    ['-12', -12],
    ['3.8', 3.8],
    ['-0.5', -0.5],
    ['1e+21', 1e21],
    ['1e-7', 1e-7],
    ['9007199254740991', 9007199254740991],
    ['true', true],
    ['false', false],
  ])('%s is what JSON prints', (cell, value) => expect(cellToValue(cell)).toBe(value))

  it.each(
    `|x| 7|7 |007|00M|0E0|0E8|+7|-0|4.0|1.50|.5|5.|1e3|1E+21|0x10|NaN|Infinity|1e999|9007199254740993
    |0.1000000000000000055|null|True|TRUE|yes|1,000`.split('|'),
  )('%j stays text', cell => expect(cellToValue(cell)).toBe(cell))

  it('loses nothing, whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.integer().map(String), fc.json()), cell => {
        const value = cellToValue(cell)
        return typeof value === 'string' ? value === cell : JSON.stringify(value) === cell
      }),
    )
  })
})

describe('CSV', () => {
  it('names cells by the header and counts lines from 1', async () => {
    const rows = await csv('iata,name,n\n00M,Thigpen,007\n00R,"Livingston, ""the"" Field",7\n')
    expect(short(rows)).toEqual([
      [2, { iata: '00M', name: 'Thigpen', n: '007' }],
      [3, { iata: '00R', name: 'Livingston, "the" Field', n: 7 }],
    ])
    expect('cells' in rows[1]! && rows[1].cells?.get('n')).toBe('7')
  })

  it.each([
    ['CRLF', 'a,b\r\n1,2\r\n3,4\r\n'],
    ['LF without the last', 'a,b\n1,2\n3,4'],
    ['both', 'a,b\r\n1,2\n3,4\r\n'],
    ['a byte-order mark', '\ufeffa,b\n1,2\n3,4\n'],
  ])('takes %s', async (_what, text) => {
    for (const size of [1, 2, 3, 7, 1000])
      expect((await csv(text, size)).map(row => 'value' in row && row.value)).toEqual([
        { a: 1, b: 2 },
        { a: 3, b: 4 },
      ])
  })

  it('counts lines past empty ones and quoted line ends', async () => {
    expect(short(await csv('a,b\n"x\ny",1\n\n2,2\n')).map(([, value]) => value)).toEqual([
      { a: 'x\ny', b: 1 },
      { a: 2, b: 2 },
    ])
    expect((await csv('a\n"x\ny"\nz\n')).map(row => row.line)).toEqual([2, 4])
  })

  it('takes a column named __proto__ for a column', async () => {
    const [row] = await csv('__proto__,a\n1,2\n')
    expect(JSON.stringify('value' in row! && row.value)).toBe('{"__proto__":1,"a":2}')
  })

  it('tells rows with another number of cells, and goes on', async () => {
    const rows = await csv('a,b\n1\n1,2\n1,2,3\n')
    expect(rows.map(row => 'problem' in row && row.problem.message)).toEqual([
      'line 2: 1 cells under 2 columns',
      false,
      'line 4: 3 cells under 2 columns',
    ])
  })

  it.each([
    ['an empty file', ''],
    ['two columns of one name', 'a,a\n1,2\n'],
    ['a column without a name', 'a,,b\n1,2,3\n'],
    ['an open quote', 'a\n"never closed\n1\n'],
    ['text after a quote', 'a\n"x"y\n'],
    ['bytes that are not UTF-8', Uint8Array.of(0x61, 0x0a, 0xff, 0x0a)],
  ])('refuses %s', async (_what, text) => {
    await expect(csv(text)).rejects.toMatchObject({ code: 'INVALID' })
  })
})

describe('JSONL', () => {
  it('takes a value a line, whatever the chunks', async () => {
    const text = '\ufeff{"id":"a","value":1}\r\n\n  \n"é🌾"\n[1]'
    for (const size of [1, 2, 3, 1000])
      expect(short(await jsonl(text, size))).toEqual([
        [1, { id: 'a', value: 1 }],
        [4, 'é🌾'],
        [5, [1]],
      ])
  })

  it('tells a bad line and goes on', async () => {
    const rows = await jsonl('1\n{\n{"a":1,"a":2}\n2\n')
    expect(rows.map(row => ('problem' in row ? row.problem.code : row.value))).toEqual([1, 'INVALID', 'INVALID', 2])
  })
})

describe('a JSON array', () => {
  it.each(['[]', ' [ ] \n', '[1]', '[1,2]', '[{"a":[1,{"b":"]},"}]},\n"x,]", null , -1.5e3 ,[],{}]', '["\\u00e9🌾é"]'])(
    'gives the elements of %s, whatever the chunks',
    async text => {
      const expected = JSON.parse(text) as JsonValue[]
      for (const size of [1, 2, 3, 5, 1000])
        expect((await json(text, size)).map(row => 'value' in row && row.value)).toEqual(expected)
    },
  )

  it('gives the elements of any array, whatever the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue({ maxDepth: 4 })),
        fc.nat(2),
        fc.integer({ min: 1, max: 40 }),
        async (values, indent, size) => {
          const rows = await json(JSON.stringify(values, undefined, indent), size)
          expect(rows.map(row => 'value' in row && row.value)).toEqual(JSON.parse(JSON.stringify(values)))
        },
      ),
    )
  })

  it('knows the line on which an element begins', async () => {
    for (const size of [1, 4, 1000])
      expect((await json('[\n1,\n\n{"a":\n2},\n3]', size)).map(row => row.line)).toEqual([2, 4, 6])
  })

  it('tells an element that is JSON of the wrong kind, and goes on', async () => {
    const rows = await json('[{"a":1,"a":2},1 2,x,{"a":1}]')
    const bad = 'INVALID'
    expect(rows.map(row => ('problem' in row ? row.problem.code : row.value))).toEqual([bad, bad, bad, { a: 1 }])
  })

  it.each([
    '',
    '{}',
    '{"a":[1]}',
    '1',
    '"x"',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '[1}',
    '[1]]',
    '[1] 2',
    '["]',
    '[{]',
    '{"a":1}\n{"a":2}',
  ])('refuses %j', async text => {
    for (const size of [1, 1000]) await expect(json(text, size)).rejects.toMatchObject({ code: 'INVALID' })
  })

  it('refuses an element that never ends before it fills the memory', async () => {
    await expect(json(`["${'x'.repeat(9 * 1024 * 1024)}"]`, 65_536)).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })
})
