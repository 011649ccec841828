import { join } from 'node:path'
import { AtollError, isAtollError } from '@atolldb/core'
import { writeFile } from 'node:fs/promises'
import { View } from '../view/view.ts'
import { type DataDirectory, readTextIfThere } from './data-directory.ts'

const RETRY_MS = 50

/**
 * Opens the view, whose kernel lock guards the whole directory, waiting a moment for another process to let go of it.
 * @throws LOCKED with the other's pid and door, as far as they are known
 */
export async function openLocked(directory: DataDirectory, waitMs: number): Promise<View> {
  const started = performance.now()
  for (;;) {
    try {
      const view = await View.open(directory.view)
      // Only to name us to others: the lock is the kernel's.
      await writeFile(pidFile(directory), `${process.pid}\n`)
      return view
    } catch (error) {
      if (!isAtollError(error, 'LOCKED')) throw error
      if (performance.now() - started >= waitMs) throw await lockedBy(directory, error)
      await new Promise(resolve => setTimeout(resolve, RETRY_MS))
    }
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
