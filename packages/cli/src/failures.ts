import { AtollError, isAtollError, type ErrorCode } from '@atolldb/core/errors'
import { ClientError } from '@atolldb/client'

/** A failure as the command line tells it: from the library in this process, or from a node through its door. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Undefined for what is a bug, and must show its stack. */
export function errorToFailure(error: unknown): Failure | undefined {
  if (!isAtollError(error) && !(error instanceof ClientError)) return undefined
  return { code: error.code, message: error.message, data: { ...error.data } }
}

export function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  const code = errorToFailure(error)?.code
  return code !== undefined && (codes as string[]).includes(code)
}

/** The next step after a failure, where there is one worth saying. */
export function failureHint({ code, data }: Failure): string | undefined {
  switch (code) {
    case 'NOT_RUNNING':
      return `start it with: atoll --data ${shellWord(String(data['directory']))} up`
    case 'LOCKED':
      return data['door'] === undefined
        ? 'another process has it open; try again in a moment'
        : 'a node is running there; end it with: atoll down'
    case 'MISSING':
      if (data['what'] === 'collection') return 'atoll ls lists what is there'
      if (data['what'] === 'data directory') return 'make one with: atoll init (or name another one with --data)'
      return data['what'] === 'record' ? 'atoll ls lists what is there; put creates it' : undefined
    case 'INVALID':
      return data['what'] === 'list record id' ? 'a List gives its records their ids: atoll ls lists them' : undefined
    case 'EXISTS':
      return 'use put to replace it'
    case 'CONFLICT':
      return conflictHint(data)
    case 'NO_CLUSTER':
      return 'it joins at its first contact: check the bootstrap address with atoll status'
    case 'ADDRESS_IN_USE':
      return 'choose another address, or port 0 for a free one'
    case 'TIMEOUT':
      return 'atoll status says what is missing'
    case 'NEWER_FORMAT':
      return 'update atoll'
    case 'STORAGE_FULL':
      return 'make room and try again: what was acknowledged is safe'
    case 'CORRUPT':
      return `mend it with: ${String(data['repair'])}`
    default:
      return undefined
  }
}

function conflictHint({ what, subject, actual }: Failure['data']): string {
  const record = (): string => {
    const [collection = '', ...id] = String(what).split('/')
    return `${shellWord(collection)} ${shellWord(id.join('/'))}`
  }
  switch (subject) {
    case 'kept-conflict':
      return `look at it with: atoll conflicts show ${record()}; settle it with: atoll conflicts resolve ${record()}`
    case 'conflict':
      return `look again with: atoll conflicts show ${record()}; --if-version takes the version that it prints`
    case 'ref':
      return typeof actual === 'string'
        ? `to move or delete it all the same: --previous ${actual}`
        : 'atoll refs lists what is there'
    default:
      return 'read it again, then retry with the new version'
  }
}

export function notRunning(directory: string): AtollError<'NOT_RUNNING'> {
  return new AtollError('NOT_RUNNING', `no node is running on ${directory}`, { directory })
}

export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
