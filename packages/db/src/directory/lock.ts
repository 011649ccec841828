import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { AtollError, isAtollError } from '@atolldb/core'
import { isNotFound, onFile, systemErrorCode } from '@atolldb/git'
import { isLevelLocked, translateLevelError } from '../view/level-errors.ts'
import { type DataDirectory, readTextIfThere } from './data-directory.ts'

const RETRY_MS = 50
/** Others that mend it at the same time may be in the way. */
const MAX_MENDINGS = 5

/**
 * Takes the lock of a data directory, waiting a moment for another process to let go of it. Node has no kernel locks of its
 * own, so it is the lock of an empty LevelDB, which ends with its process however that ends. It is not the view's, since that
 * may have to be made anew while the node runs. Returns the release.
 * @throws LOCKED with the other's pid and door, as far as they are known; NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED
 */
export async function lockDirectory(directory: DataDirectory, waitMs: number): Promise<() => Promise<void>> {
  const started = performance.now()
  for (;;) {
    try {
      const level = await openLock(join(directory.state, 'lock'))
      // Only to name us to others.
      await writeFile(pidFile(directory), `${process.pid}\n`).catch(() => undefined)
      return () => level.close()
    } catch (error) {
      if (!isLevelLocked(error)) throw translateLevelError(error, directory.state)
      if (performance.now() - started >= waitMs) throw await lockedBy(directory, error)
      await new Promise(resolve => setTimeout(resolve, RETRY_MS))
    }
  }
}

async function openLock(path: string): Promise<ClassicLevel> {
  for (let mendings = 0; ; mendings++) {
    const level = new ClassicLevel(path)
    try {
      await level.open()
      return level
    } catch (error) {
      // A full disk or too many open files are no damage.
      if (mendings === MAX_MENDINGS || !isAtollError(translateLevelError(error, path), 'CORRUPT')) throw error
    }
    await onFile(path, () => removeAllButLock(path))
  }
}

/**
 * For a lock whose files are damaged: there is nothing in them. `LOCK` is what processes exclude each other by, and another one may
 * have mended the rest and hold it by now, so it is never taken away.
 */
async function removeAllButLock(path: string): Promise<void> {
  try {
    for (const name of await readdir(path))
      if (name !== 'LOCK') await rm(join(path, name), { recursive: true, force: true })
  } catch (error) {
    if (systemErrorCode(error) === 'ENOTDIR') await rm(path, { force: true })
    else if (!isNotFound(error)) throw error
  }
}

async function lockedBy(directory: DataDirectory, cause: unknown): Promise<AtollError<'LOCKED'>> {
  const pid = Number.parseInt((await readTextIfThere(pidFile(directory))) ?? '', 10)
  const door = await readDoor(directory)
  const who = Number.isNaN(pid) ? 'another process' : `process ${pid}`
  return new AtollError(
    'LOCKED',
    `${directory.path} is in use by ${who}${door === undefined ? '' : ` (${door})`}`,
    { directory: directory.path, ...(Number.isNaN(pid) ? {} : { pid }), ...(door === undefined ? {} : { door }) },
    { cause },
  )
}

async function readDoor(directory: DataDirectory): Promise<string | undefined> {
  try {
    const { url } = JSON.parse((await readTextIfThere(directory.door)) ?? '{}') as { url?: unknown }
    return typeof url === 'string' ? url : undefined
  } catch {
    // Written by halves, or not ours to read: then it names nobody.
    return undefined
  }
}

function pidFile(directory: DataDirectory): string {
  return join(directory.state, 'pid')
}
