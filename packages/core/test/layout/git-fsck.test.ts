import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryObjectStore } from '@atolldb/testkit'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { applyEdits, type ObjectId } from '../../src/index.ts'
import { anyId, edit, listFiles, ulid } from './sample-records.ts'

it('stock git takes and checks the trees of any ids', async () => {
  const ids = fc.uniqueArray(anyId, { minLength: 300, maxLength: 600 })
  await fc.assert(
    fc.asyncProperty(ids, async all => {
      const store = new MemoryObjectStore()
      const { tree } = await applyEdits(store, undefined, [
        ...all.map(id => edit(store, `objects/c/${id}`, '1')),
        ...['con', 'a.jsonl', 'a.', '.atoll.members'].map(name => edit(store, `objects/${name}/x`, '1')),
        ...all.map((_, i) => edit(store, `lists/c/${ulid(i)}`, '1')),
        edit(store, `lists/c.jsonl/${ulid(1)}`, '1'),
      ])
      const repository = new StockRepository()
      try {
        repository.take(store)
        const listed = repository.git('ls-tree', '-r', '-z', '--name-only', tree).split('\0').filter(Boolean)
        expect(listed.sort()).toEqual([...(await listFiles(store, tree)).keys()].sort())
        repository.commitAndCheck(tree)
      } finally {
        repository.remove()
      }
    }),
    { numRuns: 3 },
  )
}, 60_000)

/** A repository that only stock git writes. */
class StockRepository {
  readonly #directory = mkdtempSync(join(tmpdir(), 'atoll-layout-'))

  constructor() {
    this.git('init', '--quiet', '--bare')
  }

  git(...args: string[]): string {
    return execFileSync('git', args, { cwd: this.#directory, encoding: 'utf8', maxBuffer: 1 << 26, stdio: 'pipe' })
  }

  take(store: MemoryObjectStore): void {
    const pathsByType = { blob: [] as string[], tree: [] as string[], commit: [] as string[] }
    const expected = { blob: [] as ObjectId[], tree: [] as ObjectId[], commit: [] as ObjectId[] }
    for (const { id, type, bytes } of store.objects()) {
      const path = join(this.#directory, `in-${id}`)
      writeFileSync(path, bytes)
      pathsByType[type].push(path)
      expected[type].push(id)
    }
    for (const type of ['blob', 'tree'] as const) {
      const ids = execFileSync('git', ['hash-object', '-w', '-t', type, '--no-filters', '--stdin-paths'], {
        cwd: this.#directory,
        input: `${pathsByType[type].join('\n')}\n`,
        encoding: 'utf8',
      })
      expect(ids.trimEnd().split('\n')).toEqual(expected[type])
    }
  }

  commitAndCheck(tree: ObjectId): void {
    const commit = this.git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit-tree', '-m', 'all', tree).trim()
    this.git('update-ref', 'refs/heads/main', commit)
    // Throws where it finds anything.
    this.git('fsck', '--strict', '--no-dangling')
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true })
  }
}
