import { AtollError } from '@atolldb/core'

/** The code of a system error (`ENOENT`…), if it is one. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof AtollError) return undefined
  const { code, errno } = error as NodeJS.ErrnoException
  return typeof code === 'string' && errno !== undefined ? code : undefined
}

/** Neither the file nor, perhaps, its directory is there. */
export function isNotFound(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOENT'
}

const fullCodes = new Set(['ENOSPC', 'EDQUOT'])
const accessCodes = new Set([
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'EISDIR',
  'EROFS',
  'ELOOP',
  'ENAMETOOLONG',
  'ENOENT',
  'EEXIST',
  // No descriptor left: nothing was written, and it passes.
  'EMFILE',
  'ENFILE',
])

/**
 * What a failed file operation means to Atoll: STORAGE_FULL, NOT_ACCESSIBLE or, for all else (EIO…),
 * STORAGE_FAILED. Errors that do not come from the system are handed back as they are.
 */
export function translateSystemError(error: unknown, path: string): unknown {
  const code = systemErrorCode(error)
  if (code === undefined) return error
  const cause = { cause: error }
  if (fullCodes.has(code)) return new AtollError('STORAGE_FULL', `${path}: no space left`, { path }, cause)
  const reason = (error as Error).message
  if (accessCodes.has(code)) return new AtollError('NOT_ACCESSIBLE', `${path}: ${reason}`, { path, reason }, cause)
  return new AtollError('STORAGE_FAILED', `${path}: ${reason}`, { path, reason }, cause)
}

/** Runs file operations on a path, translating their errors. */
export async function onFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw translateSystemError(error, path)
  }
}
