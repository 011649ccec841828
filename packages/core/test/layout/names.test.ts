import { MemoryObjectStore } from '@atolldb/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applyEdits,
  type CollectionName,
  collectionToDirectory,
  decodeName,
  directoryToCollection,
  encodeName,
  isAtollError,
  lookupRecord,
  parseStoredCollectionName,
  toByteString,
} from '../../src/index.ts'
import { anyId, edit, listFiles, refOf } from './sample-records.ts'

describe('names of records', () => {
  it.each([
    ['north', 'north'],
    ['', '%'],
    ['.', '%2e'],
    ['..', '%2e%2e'],
    ['~', '%7e'],
    ['%', '%25'],
    ['a/b c', 'a%2fb%20c'],
    ['CON', '%43ON'],
    ['con', '%63on'],
    ['lpt0', '%6cpt0'],
    ['com', 'com'],
    ['con.', 'con%2e'],
    ['.git', '%2egit'],
    ['ä', '%c3%a4'],
    ['😀', '%f0%9f%98%80'],
    ['\u0000', '%00'],
    ['A_b-9', 'A_b-9'],
  ])('%j is %s', (id, name) => {
    expect(encodeName(toByteString(id))).toBe(name)
    expect(decodeName(name)).toBe(toByteString(id))
  })

  it.each(['', 'con', 'NUL', '%61', '%2E', '%2', '%zz', 'a.b', 'a b', '%43on%', 'ä', '%%', '~'])(
    '%j is the name of nothing',
    name => {
      expect(() => decodeName(name)).toThrow(expect.objectContaining({ code: 'REFUSED' }))
    },
  )

  it('tell any two ids apart', () => {
    fc.assert(
      fc.property(anyId, anyId, (a, b) => {
        const [nameOfA, nameOfB] = [a, b].map(id => encodeName(toByteString(id)))
        expect(nameOfA === nameOfB).toBe(a === b)
        expect(decodeName(nameOfA!)).toBe(toByteString(a))
      }),
      { numRuns: 2000 },
    )
  })

  it('are accepted in one spelling only', () => {
    const spelling = fc.string({
      unit: fc.constantFrom('%', '6', '3', 'c', 'o', 'n', '2', 'e', 'E', '7', 'f'),
      maxLength: 8,
    })
    fc.assert(
      fc.property(spelling, name => {
        try {
          expect(encodeName(decodeName(name))).toBe(name)
        } catch (error) {
          if (!isAtollError(error, 'REFUSED')) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('are safe as files everywhere, and lead to their record', async () => {
    const isSafe = /^(?:[A-Za-z0-9_%-]{1,100}\.(?:json|bin)|[A-Za-z0-9_%-]{1,100}|[A-Za-z0-9_%-]{100}~)$/
    const isDevice = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(anyId, { minLength: 1, maxLength: 100 }), async ids => {
        const store = new MemoryObjectStore()
        const { tree } = await applyEdits(
          store,
          undefined,
          ids.map(id => edit(store, `objects/c/${id}`, JSON.stringify(id))),
        )
        const files = await listFiles(store, tree)
        expect(files.size).toBe(ids.length)
        for (const path of files.keys())
          for (const name of path.split('/').slice(2)) {
            expect(name).toMatch(isSafe)
            expect(name).not.toMatch(isDevice)
          }
        for (const id of ids)
          expect(await lookupRecord(store, tree, refOf(`objects/c/${id}`))).toMatchObject({
            version: store.blobId(Buffer.from(JSON.stringify(id))),
          })
      }),
      { numRuns: 60 },
    )
  })
})

describe('names of collections', () => {
  it.each([
    ['farms', 'farms'],
    ['north.sensors', 'north.sensors'],
    ['con', '%63on'],
    ['nul.x', '%6eul.x'],
    ['x.nul', 'x.nul'],
    ['console', 'console'],
    ['a.', 'a%2e'],
    ['con.', '%63on%2e'],
    ['a.jsonl', 'a%2ejsonl'],
    ['con.jsonl', '%63on%2ejsonl'],
    ['jsonl', 'jsonl'],
    ['.atoll.members', '.atoll.members'],
    ['.atoll.conflicts.objects.a.jsonl', '.atoll.conflicts.objects.a%2ejsonl'],
    ['.atoll.conflicts.lists.a.', '.atoll.conflicts.lists.a%2e'],
  ])('%s is %s', (collection, directory) => {
    const name = parseStoredCollectionName(collection)
    expect(collectionToDirectory(name)).toBe(directory)
    expect(directoryToCollection(directory)).toBe(name)
  })

  it.each([
    '',
    'con',
    'a.',
    'a.jsonl',
    '%61',
    '%63',
    'A',
    '.git',
    '.atoll',
    '.atoll.x.',
    '__proto__',
    '%63ON',
    'a%2Ejsonl',
    'x'.repeat(65),
  ])('%j is the directory of none', directory => {
    expect(() => directoryToCollection(directory)).toThrow(expect.objectContaining({ code: 'REFUSED' }))
  })

  it('tell any two collections apart, small Lists and large ones', () => {
    const word = fc.constantFrom('con', 'a', 'jsonl', 'nul', '0', '-', '')
    const collection = fc
      .tuple(fc.constantFrom('', '.atoll.x.'), fc.array(word, { minLength: 1, maxLength: 4 }))
      .map(([head, words]) => head + words.join('.'))
    const isLegal = (name: string): boolean => {
      try {
        return parseStoredCollectionName(name) === name
      } catch {
        return false
      }
    }
    fc.assert(
      fc.property(collection.filter(isLegal), collection.filter(isLegal), (a, b) => {
        const [directoryOfA, directoryOfB] = [a, b].map(name => collectionToDirectory(name as CollectionName))
        expect(directoryOfA === directoryOfB).toBe(a === b)
        expect(`${directoryOfA}.jsonl`).not.toBe(directoryOfB)
      }),
      { numRuns: 2000 },
    )
  })
})
