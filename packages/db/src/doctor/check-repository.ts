import { join } from 'node:path'
import { isAtollError, REPAIR_COMMAND } from '@atolldb/core'
import {
  checkLooseObjects,
  checkPack,
  checkRepositoryFiles,
  type FileDamage,
  listPackNames,
  type PackName,
  type Repository,
} from '@atolldb/git'
import { WAITING_PREFIX } from '../engine/branch.ts'
import { type CheckName, type Finding, type OnDoctorProgress } from './finding.ts'

export interface PacksCheck {
  readonly findings: readonly Finding[]
  /** Those that damage was found in. */
  readonly damaged: readonly PackName[]
  readonly packs: number
  readonly objects: number
}

/** `HEAD` and `config`, every pack to its last object, every loose object. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function checkPacks(directory: string, onProgress?: OnDoctorProgress): Promise<PacksCheck> {
  const findings: Finding[] = toFindings('repository', await checkRepositoryFiles(directory))
  findings.push(...toFindings('pack', await checkLooseObjects(directory)))
  const packDirectory = join(directory, 'objects/pack')
  const names = await listPackNames(packDirectory)
  const damaged: PackName[] = []
  let objects = 0
  for (const [i, name] of names.entries()) {
    const check = await checkPack(packDirectory, name)
    objects += check.objects
    if (check.damages.length > 0) damaged.push(name)
    findings.push(...toFindings('pack', check.damages))
    onProgress?.({ check: 'pack', done: i + 1, total: names.length })
  }
  return { findings, damaged, packs: names.length, objects }
}

/** Files of refs, the heads that wait among them, and that `main` is there. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function checkRefs(repository: Repository, mainRef: string, hasBegun: boolean): Promise<Finding[]> {
  const findings = toFindings('ref', await repository.checkRefs())
  try {
    findings.push(...toFindings('ref', await misnamedHeads(repository)))
    if (hasBegun && (await repository.readRef(mainRef)) === undefined)
      findings.push(...toFindings('ref', [{ file: join(repository.directory, mainRef), reason: 'it is not there' }]))
  } catch (error) {
    // Found already.
    if (!isAtollError(error, 'CORRUPT')) throw error
  }
  return findings
}

/** A head that waits is named by its own id: one that says another is damaged. @throws CORRUPT where a ref cannot be read */
export async function misnamedHeads(repository: Repository): Promise<FileDamage[]> {
  const waiting = await repository.listRefs(WAITING_PREFIX)
  return [...waiting]
    .filter(([name, id]) => name !== WAITING_PREFIX + id)
    .map(([name, id]) => ({
      file: join(repository.directory, name),
      reason: `it is not what its name says, but ${id}`,
    }))
}

function toFindings(check: CheckName, damages: readonly FileDamage[]): Finding[] {
  return damages.map(({ file, reason }) => ({ check, file, reason, repair: REPAIR_COMMAND }))
}
