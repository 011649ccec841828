import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { AtollError, isAtollError } from '@atolldb/core'
import { isLevelLocked, translateLevelError } from '../view/level-errors.ts'
import { type DataDirectory, readTextIfThere } from './data-directory.ts'

const RETRY_MS = 50

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
  const level = new ClassicLevel(path)
  try {
    await level.open()
    return level
  } catch (error) {
    // A full disk or too many open files are no reason to take away what another process may have locked.
    if (!isAtollError(translateLevelError(error, path), 'CORRUPT')) throw error
  }
  // Its files are damaged. There is nothing in them.
  await rm(path, { recursive: true, force: true })
  const fresh = new ClassicLevel(path)
  await fresh.open()
  return fresh
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
