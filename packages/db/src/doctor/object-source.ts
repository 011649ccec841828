import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, type ObjectId } from '@atolldb/core'
import { hashObject, type RawObject, Repository } from '@atolldb/git'

/** Somewhere that may have what is missing here. */
export interface ObjectSource {
  read(id: ObjectId): Promise<RawObject | undefined>
  close(): Promise<void>
}

/**
 * Another node's data directory, or a bare clone; a node may be running on it. It is only read, and what it gives is hashed.
 * @throws MISSING (no repository there), NOT_ACCESSIBLE
 */
export async function directorySource(path: string): Promise<ObjectSource> {
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

async function unlessAbsent<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof AtollError && (error.code === 'MISSING' || error.code === 'CORRUPT')) return undefined
    throw error
  }
}
