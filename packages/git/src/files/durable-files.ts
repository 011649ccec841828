import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AtollError } from '@atolldb/core'
import { isNotFound, onFile, systemErrorCode } from './system-errors.ts'
import { writeFully } from './write-fully.ts'

/** Eight random characters for names that must not meet. */
export function randomSuffix(): string {
  return randomBytes(4).toString('hex')
}

/**
 * Replaces or creates a file. After a crash at any moment the path holds the old content or the new, whole; when the
 * promise resolves the new content survives power loss. A crash may leave `<path>.tmp-<random>` behind.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE; the path then holds the old content or, after a failed sync of
 * the directory, either.
 */
export async function writeFileDurably(
  path: string,
  bytes: Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const temporary = `${path}.tmp-${randomSuffix()}`
  await writeNewFile(temporary, [bytes], options)
  await renameDurably(temporary, path)
}

/**
 * Creates a file that must not exist and fsyncs its content. Its name is not durable before its directory is synced. A
 * failure leaves no file.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function writeNewFile(
  path: string,
  chunks: readonly Uint8Array[],
  options: { mode?: number } = {},
): Promise<void> {
  await onFile(path, async () => {
    const handle = await open(path, 'wx', options.mode ?? 0o666)
    try {
      try {
        for (const chunk of chunks) await writeFully(handle, chunk)
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      // The first error is the one to tell.
      await unlink(path).catch(() => {})
      throw error
    }
  })
}

/** Makes the content of a written file durable. @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE */
export async function syncFile(path: string): Promise<void> {
  await onFile(path, async () => {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
}

/**
 * Renames, replacing what is there, and syncs the directory of the new name. Atomic: either name at any moment; durable
 * when it resolves. The content must have been fsynced before.
 *
 * @throws STORAGE_FAILED, STORAGE_FULL, NOT_ACCESSIBLE
 */
export async function renameDurably(from: string, to: string): Promise<void> {
  let isRenamed = false
  try {
    await changeDirectory(dirname(to), async () => {
      await onFile(to, () => rename(from, to))
      isRenamed = true
    })
  } catch (error) {
    if (!isRenamed) await unlink(from).catch(() => {})
    throw error
  }
}

/**
 * Makes the names in a directory durable: those created, renamed and removed before.
 *
 * @throws STORAGE_FAILED when the sync fails, whatever the system says: what the disk holds is then unknown.
 * NOT_ACCESSIBLE when there is no such directory.
 */
export async function syncDirectory(path: string): Promise<void> {
  await changeDirectory(path, async () => {})
}

/**
 * Creates, renames or removes names in a directory; what `change` did is durable when it resolves. The directory is opened before: where
 * there is no descriptor for that, nothing was changed.
 *
 * @throws as `syncDirectory`; what `change` failed with
 */
export async function changeDirectory(path: string, change: () => Promise<void>): Promise<void> {
  const handle = await onFile(path, () => open(path, 'r'))
  try {
    await change()
    await syncOpened(handle, path)
  } finally {
    await handle.close()
  }
}

async function syncOpened(handle: FileHandle, path: string): Promise<void> {
  try {
    await handle.sync()
  } catch (error) {
    // Some file systems cannot sync a directory, and have nothing to sync then.
    if (systemErrorCode(error) === 'EINVAL') return
    const reason = error instanceof Error ? error.message : String(error)
    throw new AtollError('STORAGE_FAILED', `${path}: ${reason}`, { path, reason }, { cause: error })
  }
}

/**
 * Creates a directory and its missing ancestors; they survive power loss when it resolves.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE (a file stands there)
 */
export async function makeDirectoryDurably(path: string, options: { mode?: number } = {}): Promise<void> {
  const first = await onFile(path, () => mkdir(path, { recursive: true, mode: options.mode ?? 0o777 }))
  if (first === undefined) {
    // It is there already; or a file is.
    const handle = await onFile(path, () => open(`${path}/.`, 'r'))
    await handle.close()
    return
  }
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made))
}

/**
 * Removes a file, or a directory with all in it; no error if it is not there. Durable when it resolves; after a crash a
 * directory may be there in part.
 *
 * @throws STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function removeDurably(path: string): Promise<void> {
  await onFile(path, () => rm(path, { recursive: true, force: true }))
  try {
    await syncDirectory(dirname(path))
  } catch (error) {
    if (error instanceof AtollError && isNotFound(error.cause)) return
    throw error
  }
}
