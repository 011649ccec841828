/**
 * A data directory: what is where stands in `docs/storage-format.md`. `format` is the JSON `{"format":1}`; a directory
 * without it is new, and one with a higher number was written by a newer version and is left alone.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, corrupt } from '@atolldb/core'
import { isNotFound, makeDirectoryDurably, onFile, syncDirectory, writeFileDurably } from '@atolldb/git'

const DIRECTORY_FORMAT = 1

export interface DataDirectory {
  readonly path: string
  readonly repository: string
  readonly journal: string
  readonly view: string
  readonly changes: string
  readonly state: string
  readonly identity: string
  readonly door: string
}

export function dataDirectory(path: string): DataDirectory {
  return {
    path,
    repository: join(path, 'repo.git'),
    journal: join(path, 'journal'),
    view: join(path, 'view'),
    changes: join(path, 'changes'),
    state: join(path, 'state'),
    identity: join(path, 'identity.key'),
    door: join(path, 'door.json'),
  }
}

/**
 * Creates the directory and its parts where they are missing.
 * @throws NOT_ACCESSIBLE (no permission, a file in its place, another program's directory), NEWER_FORMAT, CORRUPT, STORAGE_FULL
 */
export async function prepareDataDirectory(directory: DataDirectory): Promise<void> {
  await makeDirectoryDurably(directory.path)
  if (!(await checkFormat(directory))) {
    await assertOurs(directory)
    await writeFormat(directory)
  }
  // A killed process may have given names here, that of the key among them, and not come to sync them.
  else await syncDirectory(directory.path)
  for (const part of [directory.journal, directory.state]) await makeDirectoryDurably(part)
}

/** Is there a format file, and one that we read? @throws NEWER_FORMAT, CORRUPT, NOT_ACCESSIBLE */
export async function checkFormat(directory: DataDirectory): Promise<boolean> {
  const file = formatFile(directory)
  const format = await readFormat(file)
  if (format !== undefined && format > DIRECTORY_FORMAT) throw newerFormat(file, format)
  return format !== undefined
}

/** @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE */
export async function writeFormat(directory: DataDirectory): Promise<void> {
  await writeFileDurably(formatFile(directory), Buffer.from(`${JSON.stringify({ format: DIRECTORY_FORMAT })}\n`))
}

export function formatFile(directory: DataDirectory): string {
  return join(directory.path, 'format')
}

/** Is there a node's data at that path? */
export async function isDataDirectory(path: string): Promise<boolean> {
  try {
    return (await readFormat(join(path, 'format'))) !== undefined
  } catch {
    return false
  }
}

async function readFormat(file: string): Promise<number | undefined> {
  const text = await readTextIfThere(file)
  if (text === undefined) return undefined
  const format = parseFormat(text)
  if (format === undefined) throw corrupt(file, 'not {"format":<number>}')
  return format
}

function parseFormat(text: string): number | undefined {
  try {
    const { format } = JSON.parse(text) as { format?: unknown }
    return typeof format === 'number' && Number.isInteger(format) && format > 0 ? format : undefined
  } catch {
    return undefined
  }
}

/** A directory without a format file must be empty, or have only what an interrupted first start or a config leaves. */
async function assertOurs(directory: DataDirectory): Promise<void> {
  const known = new Set([
    'journal',
    'state',
    'view',
    'changes',
    'repo.git',
    'identity.key',
    'config.json',
    'damaged',
    'from-peers',
    'from-git',
    'lost+found',
  ])
  const names = await onFile(directory.path, () => readdir(directory.path))
  const strange = names.find(name => !known.has(name) && !name.startsWith('format.tmp-'))
  if (strange === undefined) return
  const reason = `it holds ${JSON.stringify(strange)} and no Atoll data; give an empty or a new directory`
  throw new AtollError('NOT_ACCESSIBLE', `${directory.path}: ${reason}`, { path: directory.path, reason })
}

function newerFormat(file: string, found: number): AtollError<'NEWER_FORMAT'> {
  const message = `${file}: format ${found} is newer than this version, which knows ${DIRECTORY_FORMAT}`
  return new AtollError('NEWER_FORMAT', message, { file, found, supported: DIRECTORY_FORMAT })
}

/** @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function readTextIfThere(file: string): Promise<string | undefined> {
  return onFile(file, async () => {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  })
}
