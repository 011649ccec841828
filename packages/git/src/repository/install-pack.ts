import { rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { allDone } from '../files/all-done.ts'
import { changeDirectory, randomSuffix, writeNewFile } from '../files/durable-files.ts'
import { isNotFound, onFile } from '../files/system-errors.ts'
import type { BuiltPack } from '../packs/pack-builder.ts'

/**
 * Our unfinished files in `objects/pack` begin with this; git's own with `tmp_`. They must not end in `.idx`: git opens
 * whatever does, and complains.
 */
export const TEMPORARY_PREFIX = 'tmp_atoll_'
/** With a pack's name behind it: the index of a pack whose objects are in another one, and that is being removed. */
export const GONE_PREFIX = `${TEMPORARY_PREFIX}gone_`

/**
 * Moves a pack and its index into a repository under the pack's name, the pack first: git looks for indexes, so it sees
 * both or neither. What is there under that name stays as it is, byte for byte. The contents must have been fsynced; when it
 * resolves the names are durable too. What was moved is removed where that fails: nobody may count on it.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function installPack(
  packDirectory: string,
  name: string,
  temporary: { readonly pack: string; readonly index: string },
): Promise<void> {
  const moved: string[] = []
  const move = async (from: string, extension: string): Promise<void> => {
    const to = join(packDirectory, `pack-${name}.${extension}`)
    if (await moveUnlessThere(from, to)) moved.unshift(to)
  }
  try {
    await changeDirectory(packDirectory, async () => {
      await move(temporary.pack, 'pack')
      await move(temporary.index, 'idx')
    })
  } catch (error) {
    // The index first: a pack without one is nothing to anybody.
    for (const path of moved) await unlink(path).catch(() => {})
    throw error
  }
}

/** Writes a pack from memory and installs it; as durable as `installPack` when it resolves. @throws as that */
export async function writePack(packDirectory: string, { name, chunks, index }: BuiltPack): Promise<void> {
  const stem = join(packDirectory, TEMPORARY_PREFIX)
  const temporary = { pack: `${stem}pack_${randomSuffix()}`, index: `${stem}idx_${randomSuffix()}` }
  try {
    await allDone([
      writeNewFile(temporary.pack, chunks, { mode: 0o444 }),
      writeNewFile(temporary.index, [index], { mode: 0o444 }),
    ])
    await installPack(packDirectory, name, temporary)
  } catch (error) {
    // One of them may be there.
    await Promise.all([temporary.pack, temporary.index].map(path => rm(path, { force: true }).catch(() => {})))
    throw error
  }
}

/** Was it moved? */
async function moveUnlessThere(from: string, to: string): Promise<boolean> {
  return onFile(to, async () => {
    const isThere = await exists(to)
    if (isThere) await unlink(from)
    else await rename(from, to)
    return !isThere
  })
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
