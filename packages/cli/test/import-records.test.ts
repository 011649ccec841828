import { ClientError, type BatchOperation, type Client } from '@atolldb/client'
import type { JsonValue } from '@atolldb/core'
import { describe, expect, it } from 'vitest'
import { importRecords, type ImportOptions } from '../src/import/import-records.ts'
import { ImportStopped } from '../src/import/import-stopped.ts'
import { rowToRecord } from '../src/import/import-operations.ts'
import type { ParsedRow } from '../src/import/parsed-row.ts'

const airports = {
  collection: 'airports',
  kind: 'objects',
  idField: 'iata',
  skipBad: false,
  onDuplicate: undefined,
} as const
const exported = { ...airports, idField: undefined }
const readings = { ...airports, collection: 'readings', kind: 'lists', idField: undefined } as const

/** Takes batches as a node does: all or nothing, and refuses what `refuse` says. */
function fakeClient(refuse: (operation: BatchOperation) => ClientError | undefined = () => undefined) {
  const batches: BatchOperation[][] = []
  const client = {
    async batch(operations: BatchOperation[]) {
      for (const operation of operations) {
        const error = refuse(operation)
        if (error !== undefined) throw error
      }
      batches.push([...operations])
      return []
    },
  }
  return { client: client as unknown as Client, batches }
}

async function* rows(...values: JsonValue[]): AsyncGenerator<ParsedRow> {
  for (const [i, value] of values.entries()) yield { line: i + 2, value }
}

function numbered(n: number): JsonValue[] {
  return Array.from({ length: n }, (_, i) => ({ iata: `A${i}`, n: i }))
}

async function stopped(work: Promise<unknown>): Promise<ImportStopped> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ImportStopped)
  return error as ImportStopped
}

describe('a row becomes a record', () => {
  const operationOf = (value: JsonValue, options: ImportOptions, cells?: Map<string, string>) =>
    rowToRecord({ line: 7, value, ...(cells === undefined ? {} : { cells }) }, options).operation

  it.each([
    [{ iata: '007', n: 1 }, '007'],
    [{ iata: '' }, ''],
    [{ iata: 7 }, '7'],
    [{ iata: 1e21 }, '1e+21'],
    [{ iata: '__proto__' }, '__proto__'],
  ])('%j has the id %j, and keeps its field', (value, id) => {
    expect(operationOf(value, airports)).toEqual({ op: 'put', object: 'airports', id, value })
  })

  it('takes the id of a CSV row from the text of its cell', () => {
    const cells = new Map([['iata', '12']])
    expect(operationOf({ iata: 12 }, airports, cells)).toMatchObject({ id: '12', value: { iata: 12 } })
  })

  it('takes lines of ls --json back', () => {
    expect(operationOf({ id: 'a', value: null }, exported)).toMatchObject({ id: 'a', value: null })
    expect(operationOf({ id: '', bytes: 'AQI=' }, exported)).toMatchObject({ id: '', value: Uint8Array.of(1, 2) })
    const id = '01j0000000000000000000000a'
    expect(operationOf({ id, value: 1 }, readings)).toEqual({ op: 'restore', list: 'readings', id, value: 1 })
    expect(operationOf({ id: id.toUpperCase(), value: 1 }, readings)).toMatchObject({ id })
  })

  it('leaves a reading alone that has an id and a value of its own', () => {
    const value = { id: 'sensor 1', value: 21.5 }
    expect(operationOf(value, readings)).toEqual({ op: 'insert', list: 'readings', value })
  })

  it.each([
    [{ n: 1 }, airports, 'INVALID'],
    [{ iata: true }, airports, 'INVALID'],
    [{ iata: null }, airports, 'INVALID'],
    [[1], airports, 'INVALID'],
    ['x', airports, 'INVALID'],
    [{ iata: 'x'.repeat(513) }, airports, 'TOO_LARGE'],
    [{ iata: 'a', text: 'x'.repeat(1024 * 1024) }, airports, 'TOO_LARGE'],
    [{ id: 'a' }, exported, 'INVALID'],
    [{ id: 'a', value: 1, more: 2 }, exported, 'INVALID'],
    [{ id: 'a', bytes: '?' }, exported, 'INVALID'],
    [{ id: 7, value: 1 }, exported, 'INVALID'],
  ] as const)('%j is bad, and its line is named', (value, options, code) => {
    expect(() => operationOf(value as JsonValue, options)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(/^line 7: /) as string }),
    )
  })

  it.each([
    [new Map([['x', '1']]), 'no column'],
    [new Map([['iata', '']]), 'empty'],
  ])('refuses a CSV row without an id', (cells, words) => {
    expect(() => operationOf({}, airports, cells)).toThrow(words)
  })
})

describe('import', () => {
  it('writes batches of 1,000', async () => {
    const { client, batches } = fakeClient()
    const progress = await importRecords(client, rows(...numbered(2_500)), airports)
    expect(batches.map(batch => batch.length)).toEqual([1000, 1000, 500])
    expect(progress).toEqual({ records: 2_500, batches: 3, skipped: 0, duplicates: 0 })
  })

  it('ends a batch early when its values are large', async () => {
    const { client, batches } = fakeClient()
    const large = Array.from({ length: 20 }, (_, i) => ({ iata: `${i}`, text: 'x'.repeat(1_000_000) }))
    await importRecords(client, rows(...large), airports)
    expect(batches.map(batch => batch.length)).toEqual([8, 8, 4])
  })

  it('stops at the first bad row, and keeps the batches before it', async () => {
    const { client, batches } = fakeClient()
    const error = await stopped(importRecords(client, rows(...numbered(1_500), { n: 1 }, { iata: 'Z' }), airports))
    expect(error.message).toMatch(/^line 1502: /)
    expect(error.progress).toMatchObject({ records: 1_000, batches: 1 })
    expect(error.hint).toContain('1000')
    expect(batches).toHaveLength(1)
  })

  it('leaves bad rows out when told to', async () => {
    const { client, batches } = fakeClient()
    const skipped: string[] = []
    const options = { ...airports, skipBad: true, onSkipped: (problem: Error) => void skipped.push(problem.message) }
    const progress = await importRecords(client, rows({ iata: 'A' }, { n: 1 }, { iata: 'A' }, { iata: 'B' }), options)
    expect(progress).toEqual({ records: 2, batches: 1, skipped: 2, duplicates: 0 })
    expect(skipped.map(message => message.slice(0, 7))).toEqual(['line 3:', 'line 4:'])
    expect(batches[0]).toHaveLength(2)
  })

  it('takes a repeated id for a bad row, and says where it was', async () => {
    const { client } = fakeClient()
    const error = await stopped(importRecords(client, rows({ iata: 'A' }, { iata: 'A' }), airports))
    expect(error.message).toContain('line 3')
    expect(error.message).toContain('line 2')
    expect(error.cause).toMatchObject({ code: 'INVALID' })
  })

  it.each([
    ['first', [1]],
    ['last', [1, 2]],
  ] as const)('keeps the %s of repeated ids when told to', async (onDuplicate, written) => {
    const { client, batches } = fakeClient()
    const twice = rows({ iata: 'A', n: 1 }, { iata: 'A', n: 2 })
    const progress = await importRecords(client, twice, { ...airports, onDuplicate })
    expect(batches.flat().map(operation => 'value' in operation && (operation.value as { n: number }).n)).toEqual(
      written,
    )
    expect(progress.duplicates).toBe(1)
  })

  it('stops at, or leaves out, the row that the node refuses', async () => {
    const refuse = (operation: BatchOperation) =>
      'id' in operation && operation.id === 'A3'
        ? new ClientError('INVALID', 'not with us', { status: 400, operation: 3 })
        : undefined
    const error = await stopped(importRecords(fakeClient(refuse).client, rows(...numbered(10)), airports))
    expect(error.message).toBe('line 5: not with us')
    const { client, batches } = fakeClient(refuse)
    const progress = await importRecords(client, rows(...numbered(10)), { ...airports, skipBad: true })
    expect(progress).toMatchObject({ records: 9, skipped: 1 })
    expect(batches[0]).toHaveLength(9)
  })

  it('does not take a failing node for bad rows', async () => {
    const full = new ClientError('STORAGE_FULL', 'full', { status: 507 })
    const work = importRecords(fakeClient(() => full).client, rows(...numbered(3)), { ...airports, skipBad: true })
    await expect(work).rejects.toBe(full)
  })
})
