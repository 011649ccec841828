import { CommitGraph } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dataDirectory } from '../src/directory/data-directory.ts'
import { loadIdentity } from '../src/directory/identity.ts'
import { mendJournal } from '../src/doctor/mend-journal.ts'
import { ownHistory } from '../src/doctor/remembered.ts'
import { Branch } from '../src/engine/branch.ts'
import { composeSeal } from '../src/engine/seal.ts'
import { open } from '../src/index.ts'
import type { JournalEntry } from '../src/journal/frame.ts'
import { Journal } from '../src/journal/journal.ts'
import { append, putOf } from './entries.ts'
import { temporaryDirectory } from './temporary.ts'

test('what was written before the cluster was met stays pending, though a commit with a later clock was made of what came before it', async () => {
  const path = join(temporaryDirectory(), 'data')
  const db = await open(path)
  await db.flush()
  const { node } = db
  await db.close()
  const directory = dataDirectory(path)
  const repository = await Repository.open(directory.repository)
  const graph = new CommitGraph(repository)
  const branch = await Branch.load(repository, graph)
  const { signer } = await loadIdentity(directory.identity, { node })
  const { main, tree } = branch.state!
  const { clock } = await graph.node(main)
  // Its wall clock was slow then; the root's clock is later than all of it.
  const written = (id: string, before: number): JournalEntry => ({
    sequence: 0,
    main: undefined,
    clock: { ms: clock.ms - before, counter: 0 },
    changes: [putOf(id, 1)],
  })
  const entries = [written('sealed', 20), written('pending', 10)]
  const stage = repository.stage()
  const sealed = await composeSeal(stage, { main, tree, clock }, { name: 'slow', signer }, entries.slice(0, 1))
  await stage.commit()
  await branch.move({ main: sealed!.commit, heads: [sealed!.commit], tree: sealed!.tree })
  const { latestOwnClock, commits } = await ownHistory(new CommitGraph(repository), sealed!.commit, node)
  await repository.close()
  const { journal } = await Journal.open(directory.journal, { durability: 'sync', onAbandon: () => undefined })
  for (const entry of entries) await append(journal, entry.main, entry.clock, entry.changes)
  await journal.close()

  const { kept } = await mendJournal(directory, { main: sealed!.commit, latestOwnClock, commits })
  // The first again: sealed upon the same it becomes the same commit.
  expect(kept).toBe(2)
  const again = await open(path)
  await again.flush()
  expect([await again.object('things').get('sealed'), await again.object('things').get('pending')]).toEqual([1, 1])
  await again.close()
})
