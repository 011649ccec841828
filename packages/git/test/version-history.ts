import type { CommitId, ObjectId, ObjectWriter } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import { commitOf } from './fixtures.ts'

const LEAVES = 6
const RECORDS = 40

/**
 * Commits, each one pack as a seal makes it: one record of many changes, and a list gets a line. `main` names the last one.
 */
export class VersionHistory {
  readonly commits: CommitId[] = []
  /** Everything that was written. */
  readonly objects = new Set<ObjectId>()
  readonly #repository: Repository
  readonly #values: string[][] = []
  #lines = ''

  constructor(repository: Repository) {
    this.#repository = repository
    for (let leaf = 0; leaf < LEAVES; leaf++)
      this.#values.push(Array.from({ length: RECORDS }, (_none, i) => `{"leaf":${leaf},"record":${i},"value":"first"}`))
  }

  /** Writes commits; durable when it resolves. */
  async grow(commits: number): Promise<void> {
    const before = this.commits.at(-1)
    for (let i = 0; i < commits; i++) {
      const number = this.commits.length
      this.#values[number % LEAVES]![(number * 7) % RECORDS] =
        `{"changed":"by commit ${number}","value":${number * 37}}`
      if (number % 5 === 0) this.#lines += `{"id":"${String(number).padStart(26, '0')}","value":{"t":${number}}}\n`
      const stage = this.#repository.stage()
      this.#write(stage, number)
      await stage.commit()
    }
    await this.#repository.updateRef('refs/heads/main', this.commits.at(-1)!, before)
  }

  #write(writer: ObjectWriter, number: number): void {
    const note = <Id extends ObjectId>(id: Id): Id => {
      this.objects.add(id)
      return id
    }
    const leaves = this.#values.map((values, leaf) => {
      const entries = values.map((value, i) => ({
        name: `sensor-${leaf}-${i}.json`,
        type: 'blob' as const,
        id: note(writer.writeBlob(Buffer.from(value))),
      }))
      return { name: `sensor-${leaf}`, type: 'tree' as const, id: note(writer.writeTree(entries)) }
    })
    const list = note(writer.writeBlob(Buffer.from(this.#lines)))
    const root = note(
      writer.writeTree([
        { name: 'objects', type: 'tree', id: note(writer.writeTree(leaves)) },
        { name: 'readings.jsonl', type: 'blob', id: list },
      ]),
    )
    const parent = this.commits.at(-1)
    this.commits.push(note(writer.writeCommit(commitOf(root, parent === undefined ? [] : [parent], `${number}\n`))))
  }
}
