import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError } from '@atolldb/core/errors'

/**
 * `<data>/door.json`, mode 0600, one JSON object and a newline: where the running node's local door is.
 *
 *     { "pid": 4711, "url": "http://127.0.0.1:7400", "token": "<43 characters of base64url>" }
 *
 * It appears atomically, is removed when the door closes, and is left behind by a crash: whoever reads it must be ready to find
 * nobody at the url, or somebody else.
 */
export interface DoorFile {
  readonly pid: number
  readonly url: string
  readonly token: string
}

const FILE_NAME = 'door.json'

/** The file's content; undefined when there is none, or what is there is none of ours. @throws NOT_ACCESSIBLE */
export async function readDoorFile(directory: string): Promise<DoorFile | undefined> {
  const path = join(directory, FILE_NAME)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new AtollError('NOT_ACCESSIBLE', `${path}: ${code}`, { path, reason: String(code) }, { cause: error })
  }
  try {
    const { pid, url, token } = JSON.parse(text) as Partial<DoorFile>
    if (Number.isInteger(pid) && typeof url === 'string' && typeof token === 'string') return { pid: pid!, url, token }
  } catch {
    // Not JSON: not ours.
  }
  return undefined
}

/** Appears whole or not at all; readable by its owner only, from the first byte. */
export async function writeDoorFile(directory: string, door: DoorFile): Promise<void> {
  const path = join(directory, FILE_NAME)
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(door)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown'
    throw new AtollError('NOT_ACCESSIBLE', `${path}: ${reason}`, { path, reason }, { cause: error })
  }
}

/** Removes the file if it is still this door's: another process may have opened its own meanwhile. */
export async function removeDoorFile(directory: string, token: string): Promise<void> {
  if ((await readDoorFile(directory))?.token === token) await rm(join(directory, FILE_NAME), { force: true })
}
