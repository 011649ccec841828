import type { MemoryObjectStore } from '@atolldb/testkit'
import fc from 'fast-check'
import {
  encodeUtf8,
  type CollectionName,
  type ContentFormat,
  type ObjectId,
  type ObjectReader,
  type RecordEdit,
  type RecordId,
  type RecordRef,
  type StoredContent,
} from '../../src/index.ts'

/** A put (or, without a value, a delete) whose content is the JSON text given. */
export function edit(store: MemoryObjectStore, path: string, json: string | undefined): RecordEdit {
  const ref = refOf(path)
  return { ...ref, content: json === undefined ? undefined : contentOf(store, json) }
}

/** `objects/farms/north`; the id may have slashes. */
export function refOf(path: string): RecordRef {
  const [, kind, collection, id] = /^(objects|lists)\/([^/]+)\/(.*)$/su.exec(path)!
  return { kind: kind as RecordRef['kind'], collection: collection as CollectionName, id: id as RecordId }
}

export function contentOf(store: MemoryObjectStore, json: string, format: ContentFormat = 'json'): StoredContent {
  const bytes = encodeUtf8(json)
  return { format, version: store.blobId(bytes), bytes }
}

/** A ULID whose last characters are the number's digits in base 32. */
export function ulid(number: number): string {
  const digits = number
    .toString(32)
    .replaceAll(/[a-z]/g, letter => '0123456789abcdefghjkmnpqrstvwxyz'[parseInt(letter, 32)]!)
  return `01j${digits.padStart(23, '0')}`
}

export async function collect<Item>(batches: AsyncIterable<readonly Item[]>): Promise<Item[]> {
  const all: Item[] = []
  for await (const batch of batches) all.push(...batch)
  return all
}

/** Paths of all files, with the ids of their blobs: what `git ls-tree -r` prints. */
export async function listFiles(reader: ObjectReader, tree: ObjectId, path = ''): Promise<Map<string, ObjectId>> {
  const files = new Map<string, ObjectId>()
  for (const { name, type, id } of await reader.readTree(tree)) {
    if (type === 'blob') files.set(path + name, id)
    else for (const file of await listFiles(reader, id, `${path}${name}/`)) files.set(...file)
  }
  return files
}

const devices = ['con', 'PRN', 'aux', 'Nul', 'com0', 'COM9', 'lpt1', 'lpt9']
const awkward = [
  '',
  '.',
  '..',
  '~',
  '%',
  '%63on',
  '/',
  'a/b',
  '.git',
  'git~1',
  '__proto__',
  ' ',
  'a.json',
  '\u0000',
  '😀',
  'ä',
]

/** Ids of every sort: all of Unicode, names that systems trip over, long ones, many with much in common. */
export const anyId: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom('a', 'b', 'A'), maxLength: 9 }) },
    { weight: 2, arbitrary: fc.nat(400).map(number => `sensor-${String(number).padStart(4, '0')}`) },
    { weight: 1, arbitrary: fc.constantFrom(...devices, ...awkward) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom('x', 'é', '-'),
          fc.constantFrom(33, 34, 99, 100, 101, 197, 200),
          fc.constantFrom(...devices, 'z', ''),
        )
        .map(([unit, length, end]) => unit.repeat(length) + end),
    },
  )
  .filter(id => encodeUtf8(id).length <= 512)
