import type { ErrorCode } from '@atolldb/core/errors'

/** 0 ok · 1 error · 2 usage · 3 not found · 4 conflict · 5 node not running · 6 timed out · 7 not allowed */
export const EXIT_ERROR = 1
export const EXIT_USAGE = 2
export const EXIT_NOT_FOUND = 3

/** The one table from codes to exit codes. */
const exitCodeByCode: Readonly<Record<ErrorCode, number>> = {
  INVALID: EXIT_USAGE,
  TOO_LARGE: EXIT_USAGE,
  UNSUPPORTED: EXIT_USAGE,
  MISSING: EXIT_NOT_FOUND,
  EXISTS: 4,
  CONFLICT: 4,
  SCHEMA: EXIT_USAGE,
  OTHER_CLUSTER: EXIT_ERROR,
  NOT_RUNNING: 5,
  TIMEOUT: 6,
  NOT_ALLOWED: 7,
  CLOSED: EXIT_ERROR,
  LOCKED: EXIT_ERROR,
  CORRUPT: EXIT_ERROR,
  NEWER_FORMAT: EXIT_ERROR,
  NOT_ACCESSIBLE: EXIT_ERROR,
  STORAGE_FAILED: EXIT_ERROR,
  STORAGE_FULL: EXIT_ERROR,
  NO_CLUSTER: EXIT_ERROR,
  UNAVAILABLE: EXIT_ERROR,
  ADDRESS_IN_USE: EXIT_ERROR,
  REFUSED: EXIT_ERROR,
  PROTOCOL: EXIT_ERROR,
  ABORTED: EXIT_ERROR,
}

export function codeToExitCode(code: string): number {
  return Object.hasOwn(exitCodeByCode, code) ? exitCodeByCode[code as ErrorCode] : EXIT_ERROR
}
