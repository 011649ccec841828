import { isAtollError, type AtollError, type ErrorCode } from '@atolldb/core'

/**
 * Errors as `application/problem+json` (RFC 9457): `type` is left out (`about:blank`), `title` is the status phrase, `detail`
 * the message, and two members are ours: `code` and `data`, as the library's errors have them. A failed operation of a batch
 * adds `operation`, its index.
 */

/** The one table from codes to statuses. A failed precondition of a request (`If-Match`) answers 412 instead. */
const statusByCode: Readonly<Record<ErrorCode, number>> = {
  INVALID: 400,
  TOO_LARGE: 413,
  EXISTS: 409,
  MISSING: 404,
  CONFLICT: 409,
  SCHEMA: 422,
  UNSUPPORTED: 405,
  CLOSED: 503,
  LOCKED: 503,
  CORRUPT: 500,
  NEWER_FORMAT: 500,
  NOT_ACCESSIBLE: 500,
  STORAGE_FAILED: 503,
  STORAGE_FULL: 507,
  NO_CLUSTER: 503,
  OTHER_CLUSTER: 409,
  UNAVAILABLE: 503,
  TIMEOUT: 504,
  ADDRESS_IN_USE: 500,
  REFUSED: 502,
  PROTOCOL: 502,
  NOT_ALLOWED: 401,
  NOT_RUNNING: 503,
  ABORTED: 408,
}

const titleByStatus: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
}

/** What a request's failure adds to the library's error: another status, or the index of the operation. */
export interface RefusalDetails {
  readonly status?: number
  readonly operation?: number
}

/** An error of the library on its way to the response. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly error: AtollError
  readonly details: RefusalDetails

  constructor(error: AtollError, details: RefusalDetails) {
    super(error.message, { cause: error })
    this.error = error
    this.details = details
  }
}

/** Names the operation of a batch that failed; what is not ours passes as it is. */
export function atOperation(error: unknown, operation: number): unknown {
  return isAtollError(error) ? new Refusal(error, { operation }) : error
}

/** Answers EXISTS, MISSING and CONFLICT as the failed precondition that they are when the request stated one. */
export async function asPrecondition<R>(stated: boolean, work: Promise<R>): Promise<R> {
  try {
    return await work
  } catch (error) {
    const failed = isAtollError(error, 'EXISTS') || isAtollError(error, 'MISSING') || isAtollError(error, 'CONFLICT')
    throw stated && failed ? new Refusal(error, { status: 412 }) : error
  }
}

/** The body of a problem; `code` is INTERNAL for a bug, whose message stays inside. */
export interface Problem {
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode | 'INTERNAL'
  readonly data: unknown
  readonly operation?: number
}

export function errorToProblem(error: unknown): Problem {
  if (error instanceof Refusal) return problem(error.error, error.details)
  if (isAtollError(error)) return problem(error, {})
  return { title: title(500), status: 500, detail: 'internal error', code: 'INTERNAL', data: {} }
}

function problem(error: AtollError, { status = statusByCode[error.code], operation }: RefusalDetails): Problem {
  const base = { title: title(status), status, detail: error.message, code: error.code, data: error.data }
  return operation === undefined ? base : { ...base, operation }
}

function title(status: number): string {
  return titleByStatus[status] ?? 'Error'
}

export function problemResponse({ ...body }: Problem): Response {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' }
  if (body.status === 401) headers['www-authenticate'] = 'Bearer realm="atoll"'
  return new Response(JSON.stringify(body), { status: body.status, headers })
}
