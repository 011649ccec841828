import { join } from 'node:path'
import { AtollError, type CommitId, isAtollError, type ObjectId, REPAIR_COMMAND } from '@atolldb/core'
import { type ObjectType, type PackName, Repository } from '@atolldb/git'
import { checkFormat, type DataDirectory, dataDirectory } from '../directory/data-directory.ts'
import { lockDirectory } from '../directory/lock.ts'
import { SettingsFile } from '../directory/settings.ts'
import { MAIN_REF } from '../engine/branch.ts'
import { checkFiles } from './check-files.ts'
import { checkGraph } from './check-graph.ts'
import { checkJournal } from './check-journal.ts'
import { checkPacks, checkRefs } from './check-repository.ts'
import { checkView } from './check-view.ts'
import type { Finding, OnDoctorProgress } from './finding.ts'

export interface DiagnoseOptions {
  /** How long to wait for another process to let go of the directory before LOCKED. Milliseconds, default 1,000. */
  readonly lockWaitMs?: number
  readonly onProgress?: OnDoctorProgress
}

/** What was found, and how much was looked at. */
export interface Diagnosis {
  readonly directory: string
  /** None: everything is whole. */
  readonly findings: readonly Finding[]
  readonly checked: {
    readonly packs: number
    readonly objects: number
    readonly commits: number
    readonly records: number
    readonly journalEntries: number
  }
}

/** With what the repair needs to know. */
export interface FullDiagnosis extends Diagnosis {
  readonly damagedPacks: readonly PackName[]
  readonly missing: ReadonlyMap<ObjectId, ObjectType>
}

const DEFAULT_LOCK_WAIT_MS = 1_000

/**
 * Examines the data directory of a node that is not running: the small files, the journal frame by frame, every pack and object,
 * refs, the graph of commits with their signatures and trees, and the view record by record. Changes nothing but the lock
 * file. Damage is a finding and no error.
 *
 * @throws MISSING (no data directory), LOCKED (a node runs on it), NEWER_FORMAT, NOT_ACCESSIBLE, STORAGE_FAILED
 *
 * @example
 * const { findings } = await diagnose('./farm')
 * for (const { file, reason, repair } of findings) console.log(`${file}: ${reason}; mend it with ${repair}`)
 */
export async function diagnose(path: string, options: DiagnoseOptions = {}): Promise<Diagnosis> {
  return whileLocked(path, options, async directory => {
    const { findings, checked } = await examine(directory, options.onProgress)
    return { directory: directory.path, findings, checked }
  })
}

/** Runs work with the directory locked. @throws MISSING, LOCKED, NEWER_FORMAT, NOT_ACCESSIBLE */
export async function whileLocked<Result>(
  path: string,
  { lockWaitMs }: { readonly lockWaitMs?: number },
  work: (directory: DataDirectory) => Promise<Result>,
): Promise<Result> {
  const directory = dataDirectory(path)
  await assertIsDataDirectory(directory)
  const unlock = await lockDirectory(directory, lockWaitMs ?? DEFAULT_LOCK_WAIT_MS)
  try {
    return await work(directory)
  } finally {
    await unlock()
  }
}

async function assertIsDataDirectory(directory: DataDirectory): Promise<void> {
  try {
    if (await checkFormat(directory)) return
  } catch (error) {
    // A damaged format file is one of the things to find.
    if (isAtollError(error, 'CORRUPT')) return
    throw error
  }
  throw new AtollError('MISSING', `there is no Atoll data directory at ${directory.path}`, { what: 'data directory' })
}

/** The directory must be locked. */
export async function examine(directory: DataDirectory, onProgress?: OnDoctorProgress): Promise<FullDiagnosis> {
  const findings: Finding[] = await checkFiles(directory)
  const journal = await checkJournal(directory.journal)
  findings.push(...journal.findings)
  const checked = { packs: 0, objects: 0, commits: 0, records: 0, journalEntries: journal.content?.entries.length ?? 0 }
  const hasBegun = await hasBegunOnce(directory)
  const repository = await openForInspection(directory.repository)
  if (repository === undefined) {
    const reason = 'it is not there, or has no config that can be read'
    if (hasBegun) findings.push({ check: 'repository', file: directory.repository, reason, repair: REPAIR_COMMAND })
    return { directory: directory.path, findings, checked, damagedPacks: [], missing: new Map() }
  }
  try {
    const packs = await checkPacks(directory.repository, onProgress)
    findings.push(...(await checkRefs(repository, MAIN_REF, hasBegun)))
    const graph = await checkGraph(repository, await namedByRefs(repository), onProgress)
    // A pack that a crash left without its index is missed by nobody.
    const isMissed = graph.missing.size > 0
    const isOrphan = ({ hasIndex }: PackName): boolean => !hasIndex && !isMissed
    const orphans = new Set(packs.damaged.filter(isOrphan).map(({ name }) => indexPath(directory, name)))
    findings.push(...packs.findings.filter(({ file }) => !orphans.has(file)), ...graph.findings)
    const view = journal.content && (await checkView(directory.view, repository, journal.content, onProgress))
    findings.push(...(view?.findings ?? []))
    return {
      directory: directory.path,
      findings,
      checked: {
        ...checked,
        packs: packs.packs,
        objects: packs.objects,
        commits: graph.commits,
        records: view?.records ?? 0,
      },
      damagedPacks: packs.damaged,
      missing: graph.missing,
    }
  } finally {
    await repository.close()
  }
}

function indexPath({ repository }: DataDirectory, name: string): string {
  return join(repository, 'objects/pack', `pack-${name}.idx`)
}

/** Where the settings are damaged it is the safer guess that there was a `main`. */
export async function hasBegunOnce(directory: DataDirectory): Promise<boolean> {
  try {
    return (await SettingsFile.load(directory.state)).current.hasBegun
  } catch (error) {
    if (isAtollError(error, 'CORRUPT')) return true
    throw error
  }
}

/** Undefined where it is not there, or is none. */
export async function openForInspection(path: string): Promise<Repository | undefined> {
  try {
    return await Repository.open(path, { inspect: true })
  } catch (error) {
    if (isAtollError(error, 'MISSING') || isAtollError(error, 'CORRUPT')) return undefined
    throw error
  }
}

/** What every ref names; where some cannot be read, what `main` names. */
export async function namedByRefs(repository: Repository): Promise<CommitId[]> {
  try {
    return [...(await repository.listRefs('refs/')).values()] as CommitId[]
  } catch (error) {
    if (!isAtollError(error, 'CORRUPT')) throw error
  }
  try {
    const main = await repository.readRef(MAIN_REF)
    return main === undefined ? [] : [main as CommitId]
  } catch (error) {
    if (!isAtollError(error, 'CORRUPT')) throw error
    return []
  }
}
