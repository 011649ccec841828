import type { ObjectId } from '@atolldb/core'
import { parseCommit, parseTree, type RawObject, type Repository } from '@atolldb/git'
import type { ObjectSource } from './object-source.ts'

const STAGE_BYTES = 16 * 1024 * 1024

/**
 * Copies what the source has of it, with all that it leads to and that is not here either; durable when it resolves.
 * @returns how many objects that were
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function copyMissing(
  repository: Repository,
  missing: Iterable<ObjectId>,
  source: ObjectSource,
): Promise<number> {
  let stage = repository.stage()
  let copied = 0
  const pending = [...missing]
  const seen = new Set(pending)
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const object = await source.read(id)
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

function namedBy({ type, bytes }: RawObject): readonly ObjectId[] {
  if (type === 'commit') {
    const { tree, parents } = parseCommit(Buffer.from(bytes))
    return [tree, ...parents]
  }
  return type === 'tree' ? parseTree(Buffer.from(bytes)).map(entry => entry.id) : []
}
