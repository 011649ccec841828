/**
 * The files of a repository (gitrepository-layout(5)): bare and standard, for stock git to read, clone and pack.
 *
 *     HEAD            ref: refs/heads/main
 *     config          below
 *     objects/pack/   packs of ours and of git
 *     objects/info/
 *     objects/quarantine-<random>/   packs of strangers while they are checked
 *     refs/heads/
 *     info/
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError } from '@atolldb/core'
import { makeDirectoryDurably, writeFileDurably } from '../files/durable-files.ts'
import { isNotFound, onFile } from '../files/system-errors.ts'
import { TEMPORARY_PREFIX } from './install-pack.ts'
import { QUARANTINE_PREFIX } from './quarantined-pack.ts'

const HEAD = 'ref: refs/heads/main\n'
// Stock git run by hand must not repack behind our back: gc.auto.
const CONFIG = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
[gc]
	auto = 0
`

/**
 * Creates what is missing. HEAD comes last and says that all is there, so a crash is mended by the next call.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function createRepository(directory: string): Promise<void> {
  for (const part of ['objects/pack', 'objects/info', 'refs/heads', 'info'])
    await makeDirectoryDurably(join(directory, part))
  await writeFileDurably(join(directory, 'config'), Buffer.from(CONFIG))
  await writeFileDurably(join(directory, 'HEAD'), Buffer.from(HEAD))
}

/** @throws NEWER_FORMAT, NOT_ACCESSIBLE, STORAGE_FAILED; CORRUPT when there is no format in its config. */
export async function checkRepositoryFormat(directory: string): Promise<void> {
  const file = join(directory, 'config')
  const config = await onFile(file, () => readFile(file, 'utf8'))
  const version = /^\s*repositoryformatversion\s*=\s*(\d+)\s*$/im.exec(config)?.[1]
  if (version === undefined)
    throw new AtollError('CORRUPT', `${file}: no repository format`, { file, reason: 'no repositoryformatversion' })
  if (Number(version) > 0)
    throw new AtollError('NEWER_FORMAT', `${file}: repository format ${version}`, {
      file,
      found: Number(version),
      supported: 0,
    })
}

/** @throws NOT_ACCESSIBLE (it is a file, or closed to us), STORAGE_FAILED */
export async function isRepository(directory: string): Promise<boolean> {
  return onFile(directory, async () => {
    try {
      await readFile(join(directory, 'HEAD'))
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  })
}

/** Stock git may be about to put the index beside a pack: it is given this long. */
const ORPHAN_AGE_MS = 60 * 60 * 1000

/** A crash while old packs were removed, or before a new one had its index, leaves files that nobody looks at. */
async function removeOrphans(path: string): Promise<void> {
  await onFile(path, async () => {
    const names = await readdir(path)
    const indexed = new Set(names.filter(name => name.endsWith('.idx')).map(name => name.slice(0, -'.idx'.length)))
    for (const name of names) {
      const stem = /^(pack-[0-9a-f]{40})\.(?:pack|rev|bitmap)$/.exec(name)?.[1]
      if (stem === undefined || indexed.has(stem)) continue
      const bornMs = await changeTime(join(path, name))
      if (bornMs !== undefined && Date.now() - bornMs > ORPHAN_AGE_MS) await rm(join(path, name), { force: true })
    }
  })
}

/** Undefined for a file that stock git, or a compaction, has just removed. Throws system errors. */
async function changeTime(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ctimeMs
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/**
 * Removes what a crash of ours left: quarantines, unfinished packs, locks of refs. Only for the process that guards the
 * data directory.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  const remove = async (parent: string, leftover: (name: string) => boolean): Promise<void> => {
    const path = join(directory, parent)
    await onFile(path, async () => {
      for (const name of await readdir(path))
        if (leftover(name)) await rm(join(path, name), { recursive: true, force: true })
    })
  }
  await remove('objects', name => name.startsWith(QUARANTINE_PREFIX))
  await remove('objects/pack', name => name.startsWith(TEMPORARY_PREFIX))
  await removeOrphans(join(directory, 'objects/pack'))
  await remove('.', name => name === 'packed-refs.lock' || /^(HEAD|config)\.tmp-/.test(name))
  const refs = join(directory, 'refs')
  await onFile(refs, async () => {
    for (const name of await readdir(refs, { recursive: true }))
      if (name.endsWith('.lock')) await rm(join(refs, name), { force: true })
  })
}
