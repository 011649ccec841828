/**
 * What a commit or a ref names was in the repository when that was written: where it is missing there, something was removed, and a
 * user is to hear of damage, not of an absent record or an unknown name.
 */
import { corrupt, isAtollError, type ObjectReader } from '@atolldb/core'
import type { Repository } from '@atolldb/git'

/** The error, or CORRUPT of that file in place of MISSING. */
export function asDamage(error: unknown, file: string): unknown {
  if (!isAtollError(error, 'MISSING')) return error
  return corrupt(file, `${error.message}: something was removed from it`, { cause: error })
}

/** Runs work that asks for nothing but what is named. @throws CORRUPT in place of MISSING; what the work fails with */
export async function readNamed<Result>(
  { directory }: Pick<Repository, 'directory'>,
  read: () => Promise<Result>,
): Promise<Result> {
  try {
    return await read()
  } catch (error) {
    throw asDamage(error, directory)
  }
}

/** The same of many results. */
export async function* eachNamed<Item>(
  { directory }: Pick<Repository, 'directory'>,
  items: AsyncIterable<Item>,
): AsyncGenerator<Item, void, void> {
  try {
    yield* items
  } catch (error) {
    throw asDamage(error, directory)
  }
}

/** A repository for readers who ask for nothing but what is named. */
export function namedObjects(repository: Repository): ObjectReader {
  return {
    has: id => repository.has(id),
    blobId: bytes => repository.blobId(bytes),
    blobAtHand: id => repository.blobAtHand(id),
    readBlob: id => readNamed(repository, () => repository.readBlob(id)),
    readTree: id => readNamed(repository, () => repository.readTree(id)),
    readCommit: id => readNamed(repository, () => repository.readCommit(id)),
  }
}
