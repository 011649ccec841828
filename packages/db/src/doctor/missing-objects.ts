import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { applyEdits, AtollError, isAtollError, type ObjectId, type RecordEdit } from '@atolldb/core'
import { hashObject, parseCommit, parseTree, type RawObject, Repository } from '@atolldb/git'
import type { View } from '../view/view.ts'

/** Somewhere that may have what is missing here. */
export interface ObjectSource {
  read(id: ObjectId): Promise<RawObject | undefined>
  close(): Promise<void>
}

/**
 * Another node's data directory, or a bare clone; a node may be running on it. It is only read, and what it gives is hashed.
 * @throws MISSING (no repository there), NOT_ACCESSIBLE
 */
export async function cloneSource(path: string): Promise<ObjectSource> {
  const inside = join(path, 'repo.git')
  const isDataDirectory = await stat(inside).then(
    () => true,
    () => false,
  )
  const repository = await Repository.open(isDataDirectory ? inside : path, { inspect: true })
  return {
    async read(id) {
      const object = await unlessAbsent(() => repository.readObject(id))
      return object !== undefined && hashObject(object.type, object.bytes) === id ? object : undefined
    },
    close: () => repository.close(),
  }
}

const EDITS_A_STEP = 10_000

/**
 * What the view's records make: since the tree is a function of its records, that is every object of the state it holds. Keeps
 * that state in memory.
 */
export async function viewSource(view: View, repository: Repository): Promise<ObjectSource> {
  const scratch = repository.stage()
  let tree: ObjectId | undefined
  let edits: RecordEdit[] = []
  const apply = async (): Promise<void> => {
    ;({ tree } = await applyEdits(scratch, tree, edits))
    edits = []
  }
  try {
    for (const { kind, collection } of view.collections())
      for await (const [id, { format, bytes }] of view.range(kind, collection, {})) {
        const version = scratch.writeBlob(bytes)
        edits.push({ kind, collection, id, content: { format, version, bytes } } as RecordEdit)
        if (edits.length >= EDITS_A_STEP) await apply()
      }
    await apply()
  } catch (error) {
    // What was read until then is as good.
    if (!isAtollError(error, 'CORRUPT')) throw error
  }
  return { read: id => Promise.resolve(scratch.readStaged(id)), close: () => Promise.resolve() }
}

const STAGE_BYTES = 16 * 1024 * 1024

/**
 * Copies what the sources have of it, with all that it leads to and that is not here either; durable when it resolves.
 * @returns how many objects that were
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function copyMissing(
  repository: Repository,
  missing: Iterable<ObjectId>,
  sources: readonly ObjectSource[],
): Promise<number> {
  let stage = repository.stage()
  let copied = 0
  const pending = [...missing]
  const seen = new Set(pending)
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const object = await firstOf(sources, id)
    if (object === undefined) continue
    stage.writeObject(object)
    copied++
    for (const next of namedBy(object))
      if (!seen.has(next) && !(await repository.has(next))) {
        seen.add(next)
        pending.push(next)
      }
    if (stage.sizeBytes < STAGE_BYTES) continue
    await stage.commit()
    stage = repository.stage()
  }
  await stage.commit()
  return copied
}

async function firstOf(sources: readonly ObjectSource[], id: ObjectId): Promise<RawObject | undefined> {
  for (const source of sources) {
    const object = await source.read(id)
    if (object !== undefined) return object
  }
  return undefined
}

function namedBy({ type, bytes }: RawObject): readonly ObjectId[] {
  if (type === 'commit') {
    const { tree, parents } = parseCommit(Buffer.from(bytes))
    return [tree, ...parents]
  }
  return type === 'tree' ? parseTree(Buffer.from(bytes)).map(entry => entry.id) : []
}

async function unlessAbsent<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof AtollError && (error.code === 'MISSING' || error.code === 'CORRUPT')) return undefined
    throw error
  }
}
