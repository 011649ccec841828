/**
 * Every failure of Atoll is an {@link AtollError} with a stable `code`; what each means and what to do about it stands in
 * `docs/errors.md`. A code never changes its meaning. Assertions (bugs) are plain `Error`s thrown by {@link assert}.
 */

/** What each code carries in `error.data`. */
export interface ErrorDataByCode {
  /** An argument, id, name or value breaks a rule or limit. */
  INVALID: { what: string; reason: string }
  /** A value, batch or message exceeds a size limit. */
  TOO_LARGE: { what: string; limit: number; actual?: number }
  /** `create` of a record that exists. */
  EXISTS: { collection: string; id: string }
  /** `update` or `patch` of a record that does not exist, or a name that must exist and does not. */
  MISSING: { what: string; id?: string }
  /**
   * A compare (`ifVersion`, a transaction's reads, a ref's previous value) failed. `subject` is there where it was not a record's
   * version: the conflict to be resolved, one that its collection keeps until it is resolved, or a ref.
   */
  CONFLICT: { what: string; expected?: string; actual?: string; subject?: 'conflict' | 'kept-conflict' | 'ref' }
  /** A value breaks the schema of its collection; `path` is a JSON Pointer into the value, `rule` the keyword. */
  SCHEMA: { collection: string; id: string; path: string; rule: string; reason: string }
  /** The operation does not exist for this kind of collection. */
  UNSUPPORTED: { what: string }
  /** The object, node or stream is closed. */
  CLOSED: { what: string }
  /** Another process has the data directory open. */
  LOCKED: { directory: string; pid?: number; door?: string }
  /** Stored bytes are damaged; `repair` is the command that mends them, or what else there is to do. */
  CORRUPT: { file: string; reason: string; repair: string }
  /** The data directory was written by a newer version. */
  NEWER_FORMAT: { file: string; found: number; supported: number }
  /** The operating system refuses access, or a file stands where a directory should. */
  NOT_ACCESSIBLE: { path: string; reason: string }
  /** A write or fsync failed; the node accepts no more writes until it is reopened. */
  STORAGE_FAILED: { path: string; reason: string }
  /** The disk is full; the write in hand was not acknowledged, and writes work again once there is room. */
  STORAGE_FULL: { path: string }
  /** The node belongs to no cluster yet, so nothing can be committed. */
  NO_CLUSTER: { reason: string }
  /** A peer belongs to another cluster. */
  OTHER_CLUSTER: { ours: string; theirs: string }
  /** Not enough reachable members for this operation. */
  UNAVAILABLE: { what: string; reason: string }
  /** It was not done within its time. */
  TIMEOUT: { what: string; timeoutMs: number }
  /** A listening address is taken or cannot be bound. */
  ADDRESS_IN_USE: { address: string }
  /** Bytes from a peer break a rule; nothing of them was adopted. */
  REFUSED: { reason: string; peer?: string; commit?: string }
  /** A peer broke the protocol, or the connection ended early. */
  PROTOCOL: { reason: string; peer?: string }
  /** Missing or wrong credentials at a door. */
  NOT_ALLOWED: { reason: string }
  /** No node is running where one is needed. */
  NOT_RUNNING: { directory: string }
  /** The caller's signal aborted the operation. */
  ABORTED: { what: string }
}

export type ErrorCode = keyof ErrorDataByCode

/**
 * The one error class of Atoll.
 *
 * @example
 * try { await farms.create('north', {}) } catch (error) { if (isAtollError(error, 'EXISTS')) console.log(error.data.id) }
 */
export class AtollError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'AtollError'
  readonly code: Code
  readonly data: ErrorDataByCode[Code]

  constructor(code: Code, message: string, data: ErrorDataByCode[Code], options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.data = data
  }
}

/** Is it ours, and (when given) of that code? */
export function isAtollError(error: unknown): error is AtollError
export function isAtollError<Code extends ErrorCode>(error: unknown, code: Code): error is AtollError<Code>
export function isAtollError(error: unknown, code?: ErrorCode): boolean {
  return error instanceof AtollError && (code === undefined || error.code === code)
}

/** The usual refusal of an argument. */
export function invalid(what: string, reason: string): AtollError<'INVALID'> {
  return new AtollError('INVALID', `${what}: ${reason}`, { what, reason })
}

/** What mends most damage. */
export const REPAIR_COMMAND = 'atoll doctor --repair'
/** What mends a view. */
export const REBUILD_COMMAND = 'atoll doctor --rebuild'

/** Damage of what is stored; `repair` is the command that mends it, or what else there is to do. */
export function corrupt(
  file: string,
  reason: string,
  { repair = REPAIR_COMMAND, cause }: { readonly repair?: string; readonly cause?: unknown } = {},
): AtollError<'CORRUPT'> {
  return new AtollError('CORRUPT', `${file}: ${reason}`, { file, reason, repair }, { cause })
}

/** A bug of ours, never of the world: it is not caught and not translated. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}
