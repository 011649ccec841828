import { AtollError } from '../errors.ts'
import type { CommitId } from '../ids.ts'

/** The refusal of a commit that breaks a rule. Where only its form is at hand, the id is left out. */
export function refusal(reason: string, commit?: CommitId, cause?: unknown): AtollError<'REFUSED'> {
  const which = commit === undefined ? 'a commit' : `commit ${commit}`
  return new AtollError(
    'REFUSED',
    `${which} is refused: ${reason}`,
    { reason, ...(commit === undefined ? {} : { commit }) },
    { cause },
  )
}
