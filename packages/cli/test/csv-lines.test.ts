import { parse } from 'csv-parse/sync'
import { describe, expect, it } from 'vitest'
import { csvLines, type Entry } from '../src/export/csv-lines.ts'

async function lines(entries: readonly Entry[], idColumn = 'id'): Promise<string[]> {
  const found: string[] = []
  async function* read(): AsyncGenerator<Entry> {
    yield* entries
  }
  for await (const line of csvLines(read, idColumn)) found.push(line)
  return found
}

describe('CSV lines', () => {
  it('have every field that any record has, in the order they are met', async () => {
    expect(
      await lines([
        ['a', { x: 1, y: true }],
        ['b', { z: null, x: '1' }],
        ['c', {}],
      ]),
    ).toEqual(['id,x,y,z', 'a,1,true,', 'b,1,,', 'c,,,'])
  })

  it('quote what must be quoted, and say what is inside as JSON', async () => {
    const value = {
      text: 'a "b"\r\nc, d',
      list: [1, 'x,y'],
      part: { a: null },
      empty: '',
      formula: '=1+1',
      accent: 'é;🌾',
    }
    const written = await lines([[' north, "old"', value]])
    const [header, row] = parse(`${written.join('\n')}\n`)
    expect(header).toEqual(['id', ...Object.keys(value)])
    expect(row).toEqual([' north, "old"', value.text, '[1,"x,y"]', '{"a":null}', '', '=1+1', 'é;🌾'])
    expect(written[1]).toContain(',"",=1+1')
  })

  it('have a column for values without fields', async () => {
    const entries: Entry[] = [
      ['', 1],
      ['b', [1, 2]],
      ['c', null],
      ['d', 'x'],
    ]
    expect(await lines(entries)).toEqual(['id,value', '"",1', 'b,"[1,2]"', 'c,', 'd,x'])
    expect(await lines([])).toEqual(['id'])
  })

  it('share the column of the ids with a field that says the same', async () => {
    const airports: Entry[] = [
      ['00M', { iata: '00M', n: 1 }],
      ['7', { n: 2, iata: 7 }],
    ]
    expect(await lines(airports, 'iata')).toEqual(['iata,n', '00M,1', '7,2'])
  })

  it('keep __proto__ as a column', async () => {
    expect(await lines([['a', JSON.parse('{"__proto__":1}') as unknown]])).toEqual(['id,__proto__', 'a,1'])
  })

  it.each<[string, Entry[], string]>([
    ['bytes', [['a', new Uint8Array([1])]], 'UNSUPPORTED'],
    ['a field that looks like the id and is not', [['a', { id: 'b' }]], 'INVALID'],
    ['a field `value` beside a value without fields', [['a', { value: 1 }], ['b', 2]], 'INVALID'], // prettier-ignore
    [
      'too many columns',
      [['a', Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`f${i}`, i]))]],
      'TOO_LARGE',
    ],
  ])('refuse %s before the first line', async (_what, entries, code) => {
    const iterator = csvLines(async function* () {
      yield* entries
    }, 'id')
    await expect(iterator.next()).rejects.toMatchObject({ code })
  })

  it('hold one record at a time', async () => {
    let read = 0
    async function* many(): AsyncGenerator<Entry> {
      for (let n = 0; n < 50_000; n++) {
        read += 1
        yield [String(n), { n, text: 'x'.repeat(1_000) }]
      }
    }
    let written = 0
    let ahead = 0
    for await (const line of csvLines(many, 'id')) {
      // The first line comes after all of the first reading.
      if (written > 0) ahead = Math.max(ahead, read - 50_000 - written)
      written += line === '' ? 0 : 1
    }
    expect(written).toBe(50_001)
    expect(ahead).toBeLessThanOrEqual(1)
  })
})
