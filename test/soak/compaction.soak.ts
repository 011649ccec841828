import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyEdits, type CollectionName, type CommitId, type ObjectId, type RecordId } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { expect, onTestFinished, test } from 'vitest'

const COMMITS = 100_000
const RECORDS = 2_000

/** A commit of one record, as a seal makes it, but for its signature. */
async function commitOne(
  repository: Repository,
  before: { readonly commit: CommitId | undefined; readonly tree: ObjectId | undefined },
  number: number,
): Promise<{ commit: CommitId; tree: ObjectId }> {
  const stage = repository.stage()
  const bytes = Buffer.from(`{"number":${number},"reading":${((number * 7919) % 6000) / 100}}`)
  const id = `sensor-${String((number * 7919) % RECORDS).padStart(5, '0')}` as RecordId
  const content = { format: 'json', version: repository.blobId(bytes), bytes } as const
  const edit = { kind: 'objects', collection: 'sensors' as CollectionName, id, content } as const
  const { tree } = await applyEdits(stage, before.tree, [edit])
  const author = { name: 'one', email: 'one@atoll', seconds: 1_700_000_000 + number }
  const parents = before.commit === undefined ? [] : [before.commit]
  const commit = stage.writeCommit({ tree, parents, author, committer: author, message: `sensors ~1\n` })
  await stage.commit()
  return { commit, tree }
}

test('100,000 small commits stay within the bound of packs and 1.5 × what git gc leaves', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-compaction-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'repo.git')
  const repository = await Repository.open(path, { create: true })
  onTestFinished(() => repository.close())
  let head: { commit: CommitId | undefined; tree: ObjectId | undefined } = { commit: undefined, tree: undefined }
  for (let number = 0; number < COMMITS; number++) {
    head = await commitOne(repository, head, number)
    if (repository.compactionNeed !== 'none') await repository.compact()
    expect(repository.packCount).toBeLessThanOrEqual(12 + Math.log2(number + 2))
  }
  await repository.updateRef('refs/heads/main', head.commit!, undefined)
  const copy = join(directory, 'copy.git')
  cpSync(path, copy, { recursive: true })
  execFileSync('git', ['-C', copy, 'gc', '-q'])
  const ratio = packBytes(path) / packBytes(copy)
  // oxlint-disable-next-line no-console -- the figure is what it is for
  console.log(`${repository.packCount} packs, ${ratio.toFixed(2)} × git gc`)
  expect(ratio).toBeLessThan(1.5)
  expect(execFileSync('git', ['-C', path, 'fsck', '--strict'], { encoding: 'utf8', stdio: 'pipe' })).toBe('')
})

function packBytes(repository: string): number {
  const packs = join(repository, 'objects/pack')
  return readdirSync(packs).reduce((sum, name) => sum + statSync(join(packs, name)).size, 0)
}
