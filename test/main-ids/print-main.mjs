import { ChangeLists, CommitGraph, mainOf, mergeHeads } from '@atolldb/core'
import { buildHistory, MemoryObjectStore } from '@atolldb/testkit'

/*
 * Prints the id of the `main` that one fixed history gives: five nodes, restored backups among them, concurrent edits of objects,
 * bytes and Lists. Everything in it is part of the formats, so the id is the same for ever.
 */

const words = ['rye', 'Straße', 'ﬁ', 'İ', 'ı', '日本', '\u{1f33e}', 'a\u0308', '1,5']
const numbers = [0, -0, 1.5, 1e21, 1e-7, 123456789.125, Number.MAX_SAFE_INTEGER]

function editOf(i) {
  // Not the fifth: that is a setting, which gives the collections here another policy.
  const record = i % 7 === 5 ? 6 : i % 7
  if (i % 11 === 0) return { record, action: 'delete' }
  if (i % 7 === 3)
    return { record, action: 'put', value: i % 2 === 0 ? Uint8Array.of(i, 255) : words[i % words.length] }
  if (i % 3 === 0)
    return {
      record,
      action: 'put',
      value: { [words[i % words.length]]: numbers[i % numbers.length], i, at: { deep: [i, null] } },
    }
  return { record, action: 'assign', path: [words[i % 4]], value: numbers[i % numbers.length] }
}

const steps = Array.from({ length: 120 }, (_, i) => ({
  node: (i * 7) % 5,
  ownHead: i % 13 !== 0,
  others: i % 4 === 0 ? [(i * 5) % 17] : [],
  aheadMs: i % 3,
  edits: [editOf(i), editOf(i * 3 + 1)],
}))

const store = new MemoryObjectStore()
const { oracle, commits } = await buildHistory(store, steps)
const graph = new CommitGraph(store)
const context = { store, graph, changes: new ChangeLists(graph, store) }
const heads = oracle.heads(commits)
const { id } = await mainOf(context, await mergeHeads(context, heads))
process.stdout.write(`${id} of ${commits.length} commits, ${heads.length} heads\n`)
