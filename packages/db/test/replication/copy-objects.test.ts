import { encodeUtf8, type TreeEntry } from '@atolldb/core'
import { MemoryObjectStore } from '@atolldb/testkit'
import { describe, expect, it } from 'vitest'
import { copyTree, WholeTrees } from '../../src/replication/copy-objects.ts'

describe('copying the tree of a merge that was recomputed', () => {
  it('brings what is in a tree that a pack brought without it', async () => {
    const made = new MemoryObjectStore()
    const entry = made.writeBlob(encodeUtf8('a conflict entry'))
    const directory = made.writeTree([file('north.json', entry)])
    const tree = made.writeTree([{ name: 'conflicts', type: 'tree', id: directory }])
    // A commit upon another merge, which had the entry too, came with the directory alone.
    const arrived = new MemoryObjectStore()
    arrived.writeTree([file('north.json', entry)])

    await copyTree(made, arrived, tree, new WholeTrees(new MemoryObjectStore()))

    expect(await arrived.has(tree)).toBe(true)
    expect(await arrived.has(entry)).toBe(true)
  })

  it('reads nothing of what the repository has, and nothing twice', async () => {
    const made = new MemoryObjectStore()
    const repository = new MemoryObjectStore()
    const old = made.writeTree([file('old.json', made.writeBlob(encodeUtf8('1')))])
    repository.writeTree([file('old.json', made.writeBlob(encodeUtf8('1')))])
    const fresh = made.writeTree([file('new.json', made.writeBlob(encodeUtf8('2')))])
    const tree = made.writeTree([
      { name: 'fresh', type: 'tree', id: fresh },
      { name: 'old', type: 'tree', id: old },
    ])
    const arrived = new MemoryObjectStore()
    const whole = new WholeTrees(repository)

    await copyTree(made, arrived, tree, whole)
    expect(made.reads).toEqual({ blob: 1, tree: 2, commit: 0 })
    await copyTree(made, arrived, tree, whole)
    expect(made.reads).toEqual({ blob: 1, tree: 2, commit: 0 })
  })
})

function file(name: string, id: TreeEntry['id']): TreeEntry {
  return { name, type: 'blob', id }
}
