import { rename } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { makeDirectoryDurably, onFile, syncDirectory } from '@atolldb/git'
import type { DataDirectory } from '../directory/data-directory.ts'
import { isThere } from './is-there.ts'

/**
 * Moves what is damaged to `damaged/` in the data directory, under the path that it had, with a number behind it where there
 * is one already. Not beside it: git takes any file below `refs/` for a ref. Nothing that is damaged is ever removed by us. Durable
 * when it resolves; what is not there is left so.
 *
 * @returns where it is now
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function setAside(directory: DataDirectory, path: string): Promise<string | undefined> {
  if (!(await isThere(path))) return undefined
  const wanted = join(directory.path, 'damaged', relative(directory.path, path))
  let target = wanted
  for (let number = 2; await isThere(target); number++) target = `${wanted}.${number}`
  await makeDirectoryDurably(dirname(target))
  await onFile(path, () => rename(path, target))
  // The new name first: in between it may have two, and must not have none.
  await syncDirectory(dirname(target))
  await syncDirectory(dirname(path))
  return target
}
