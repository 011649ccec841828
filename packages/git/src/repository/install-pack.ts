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
 * @returns whether both files are the ones that were moved
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function installPack(
  packDirectory: string,
  name: string,
  temporary: { readonly pack: string; readonly index: string },
): Promise<boolean> {
  const to = packPaths(packDirectory, name)
  const moved: string[] = []
  try {
    await changeDirectory(packDirectory, async () => {
      const [hasPack, hasIndex] = await Promise.all([exists(to.pack), exists(to.index)])
      if (await moveUnlessThere(temporary.pack, to.pack, hasPack)) moved.unshift(to.pack)
      if (await moveUnlessThere(temporary.index, to.index, hasIndex)) moved.unshift(to.index)
    })
    return moved.length === 2
  } catch (error) {
    // The index first: a pack without one is nothing to anybody.
    for (const path of moved) await unlink(path).catch(() => {})
    throw error
  }
}

/**
 * Writes a pack from memory and installs it; as durable as `installPack` when it resolves.
 *
 * @returns whether its files are the ones written here
 * @throws as `installPack`
 */
export async function writePack(packDirectory: string, { name, chunks, index }: BuiltPack): Promise<boolean> {
  const stem = join(packDirectory, TEMPORARY_PREFIX)
  const temporary = { pack: `${stem}pack_${randomSuffix()}`, index: `${stem}idx_${randomSuffix()}` }
  try {
    await allDone([
      writeNewFile(temporary.pack, chunks, { mode: 0o444 }),
      writeNewFile(temporary.index, [index], { mode: 0o444 }),
    ])
    return await installPack(packDirectory, name, temporary)
  } catch (error) {
    // One of them may be there.
    await Promise.all([temporary.pack, temporary.index].map(path => rm(path, { force: true }).catch(() => {})))
    throw error
  }
}

function packPaths(packDirectory: string, name: string): { readonly pack: string; readonly index: string } {
  const stem = join(packDirectory, `pack-${name}`)
  return { pack: `${stem}.pack`, index: `${stem}.idx` }
}

/** Was it moved? */
async function moveUnlessThere(from: string, to: string, isThere: boolean): Promise<boolean> {
  await onFile(to, () => (isThere ? unlink(from) : rename(from, to)))
  return !isThere
}

async function exists(path: string): Promise<boolean> {
  return onFile(path, async () => {
    try {
      await stat(path)
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  })
}
