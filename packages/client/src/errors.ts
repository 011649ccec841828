/**
 * A failed call. `code` and `data` are those of the library's error at the other end (`docs/errors.md`). When no answer came:
 * UNAVAILABLE (no connection), ABORTED (the caller's signal) or PROTOCOL (an answer that is none of a node's), with status 0
 * or that of the strange answer. INTERNAL is a bug of the node.
 */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly code: string
  readonly data: Readonly<Record<string, unknown>>
  /** HTTP status; 0 when there was no answer. */
  readonly status: number
  /** Of a failed batch: the index of the operation that failed, when one did. */
  readonly operation: number | undefined

  constructor(
    code: string,
    message: string,
    details: { data?: Readonly<Record<string, unknown>>; status?: number; operation?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause })
    this.code = code
    this.data = details.data ?? {}
    this.status = details.status ?? 0
    this.operation = details.operation
  }
}

/** The body of a problem response, or of the last line of a broken stream. */
export function problemToError(problem: unknown, status: number): ClientError {
  const { code, detail, data, operation } = (
    typeof problem === 'object' && problem !== null ? problem : {}
  ) as Partial<{
    code: string
    detail: string
    data: Record<string, unknown>
    operation: number
  }>
  if (typeof code !== 'string' || typeof detail !== 'string')
    return new ClientError('PROTOCOL', `the answer is not a node's (HTTP ${status})`, { status })
  const details = { status, data: data ?? {}, ...(operation === undefined ? {} : { operation }) }
  return new ClientError(code, detail, details)
}
