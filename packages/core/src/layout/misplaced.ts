import { AtollError } from '../errors.ts'

/** A tree is not in the canonical layout. */
export function misplaced(reason: string): AtollError<'REFUSED'> {
  return new AtollError('REFUSED', reason, { reason })
}
