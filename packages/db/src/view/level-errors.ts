import { AtollError, corrupt, REBUILD_COMMAND } from '@atolldb/core'
import { translateSystemError } from '@atolldb/git'

/** Somebody else has that LevelDB open. */
export function isLevelLocked(error: unknown): boolean {
  return causes(error).some(cause => codeOf(cause) === 'LEVEL_LOCKED')
}

/**
 * What a LevelDB error means. Its codes do not tell a full disk from a broken one, only its text does; what is neither that
 * nor a matter of permissions is damage.
 */
export function translateLevelError(error: unknown, path: string): unknown {
  const code = codeOf(error)
  if (code === undefined || error instanceof AtollError) return error
  const cause = { cause: error }
  if (isLevelLocked(error)) return new AtollError('LOCKED', `${path} is in use`, { directory: path }, cause)
  if (code === 'LEVEL_DATABASE_NOT_OPEN' && !(error as Error).cause) return closed(cause)
  if (code === 'LEVEL_ITERATOR_NOT_OPEN') return closed(cause)
  if (!code.startsWith('LEVEL_')) return translateSystemError(error, path)
  const reason = causes(error)
    .map(each => (each instanceof Error ? each.message : String(each)))
    .join(': ')
  if (/no space left|quota exceeded/i.test(reason))
    return new AtollError('STORAGE_FULL', `${path}: no space left`, { path }, cause)
  // Without a descriptor left nothing was written, and it passes.
  if (/permission denied|read-only file system|operation not permitted|too many open files/i.test(reason))
    return new AtollError('NOT_ACCESSIBLE', `${path}: ${reason}`, { path, reason }, cause)
  return viewDamage(path, reason, error)
}

/** The view holds something that cannot be right. */
export function viewDamage(file: string, reason: string, cause?: unknown): AtollError<'CORRUPT'> {
  return corrupt(file, reason, { repair: REBUILD_COMMAND, cause })
}

function closed(options: { cause: unknown }): AtollError<'CLOSED'> {
  return new AtollError('CLOSED', 'the database is closed', { what: 'database' }, options)
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function causes(error: unknown): unknown[] {
  return error instanceof Error && error.cause !== undefined ? [error, ...causes(error.cause)] : [error]
}
