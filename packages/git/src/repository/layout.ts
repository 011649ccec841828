/**
 * The files of a repository (gitrepository-layout(5)): bare and standard, for stock git to read, clone and pack.
 *
 *     HEAD            ref: refs/heads/main
 *     config          see config.ts
 *     objects/pack/   packs of ours and of git
 *     objects/info/
 *     objects/quarantine-<random>/   packs of strangers while they are checked
 *     refs/heads/
 *     info/
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, corrupt } from '@atolldb/core'
import type { FileDamage } from '../damage/file-damage.ts'
import { makeDirectoryDurably, syncDirectory, writeFileDurably } from '../files/durable-files.ts'
import { isNotFound, onFile } from '../files/system-errors.ts'
import { configProblem, parseConfig, REPOSITORY_CONFIG } from './config.ts'
import { GONE_PREFIX, TEMPORARY_PREFIX } from './install-pack.ts'
import { QUARANTINE_PREFIX } from './quarantined-pack.ts'

const HEAD = 'ref: refs/heads/main\n'

/**
 * Creates what is missing. HEAD comes last and says that all is there, so a crash is mended by the next call.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function createRepository(directory: string): Promise<void> {
  for (const part of ['objects/pack', 'objects/info', 'refs/heads', 'info'])
    await makeDirectoryDurably(join(directory, part))
  await writeFileDurably(join(directory, 'config'), Buffer.from(REPOSITORY_CONFIG))
  await writeFileDurably(join(directory, 'HEAD'), Buffer.from(HEAD))
}

/** @throws NEWER_FORMAT, NOT_ACCESSIBLE, STORAGE_FAILED; CORRUPT when there is no format in its config. */
export async function checkRepositoryFormat(directory: string): Promise<void> {
  const file = join(directory, 'config')
  const config = await onFile(file, () => readFile(file, 'utf8'))
  const version = parseConfig(config).valueByName.get('core.repositoryformatversion')?.value
  if (version === undefined || !/^\d+$/.test(version)) throw corrupt(file, 'no repositoryformatversion')
  if (Number(version) > 0)
    throw new AtollError('NEWER_FORMAT', `${file}: repository format ${version}`, {
      file,
      found: Number(version),
      supported: 0,
    })
}

/** `HEAD` and `config`, as far as stock git and we must agree on them. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function checkRepositoryFiles(directory: string): Promise<FileDamage[]> {
  const damages: FileDamage[] = []
  const check = async (name: string, problem: (text: string) => string | undefined): Promise<void> => {
    const file = join(directory, name)
    const text = await onFile(file, () => readFileIfThere(file))
    const reason = text === undefined ? 'it is not there' : problem(text)
    if (reason !== undefined) damages.push({ file, reason })
  }
  await check('HEAD', text => (text === HEAD ? undefined : `not ${JSON.stringify(HEAD)}`))
  await check('config', text => {
    const problem = configProblem(text)
    return problem && `line ${problem.line}: ${problem.reason}`
  })
  return damages
}

async function readFileIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
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

/**
 * A crash while a merged pack was removed leaves its index under a name that says so. A pack that merely has no index is left
 * alone: it may be the only copy of what is in it.
 */
async function removeGonePacks(path: string): Promise<void> {
  await onFile(path, async () => {
    const names = new Set(await readdir(path))
    for (const gone of names) {
      if (!gone.startsWith(GONE_PREFIX)) continue
      const stem = `pack-${gone.slice(GONE_PREFIX.length)}`
      // One of that name may have been made again.
      if (names.has(`${stem}.idx`)) continue
      for (const extension of ['pack', 'rev', 'bitmap']) await rm(join(path, `${stem}.${extension}`), { force: true })
    }
  })
}

/**
 * Makes durable the names that a killed process gave and did not come to sync. Whoever opens the repository builds upon what is
 * there: a note in the journal, or a peer, must not know of a `main` that a power loss takes back.
 *
 * @throws STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function syncNames(directory: string): Promise<void> {
  const refs = join(directory, 'refs')
  const entries = await onFile(refs, () => readdir(refs, { recursive: true, withFileTypes: true }))
  const ofRefs = entries.filter(entry => entry.isDirectory()).map(entry => join(entry.parentPath, entry.name))
  for (const path of [directory, join(directory, 'objects/pack'), refs, ...ofRefs]) await syncDirectory(path)
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
  await removeGonePacks(join(directory, 'objects/pack'))
  await remove('objects/pack', name => name.startsWith(TEMPORARY_PREFIX))
  await remove('.', name => name === 'packed-refs.lock' || /^(HEAD|config)\.tmp-/.test(name))
  const refs = join(directory, 'refs')
  await onFile(refs, async () => {
    for (const name of await readdir(refs, { recursive: true }))
      if (name.endsWith('.lock')) await rm(join(refs, name), { force: true })
  })
}
