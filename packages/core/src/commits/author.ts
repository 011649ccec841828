import type { Identity } from '../contracts/object-store.ts'
import { invalid } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { MAX_NODE_NAME_LENGTH } from '../limits.ts'
import { isWellFormed } from '../text.ts'
import { clockSeconds } from './clock.ts'
import type { Clock } from './clock.ts'

// Control characters and line separators end lines, angle brackets end names, and git trims blanks from the ends.
const unfitName = /[\p{Cc}\p{Zl}\p{Zp}<>]|^\s|\s$|^$/u

/**
 * The name that a node shows in commits: 1 to 64 characters, none of them a control character or an angle bracket, no blank
 * at either end. @throws INVALID
 */
export function parseNodeName(text: string): string {
  const reason = nodeNameProblem(text)
  if (reason !== undefined) throw invalid('node name', reason)
  return text
}

/** The author and committer line of a commit that a node signs: `<name> <<node id>@atoll> <seconds of its clock> +0000`. */
export function authorOf(name: string, node: NodeId, clock: Clock): Identity {
  return { name: parseNodeName(name), email: `${node}@atoll`, seconds: clockSeconds(clock) }
}

/** Is it the line that `authorOf` gives for some name? */
export function isAuthorOf(identity: Identity, node: NodeId, clock: Clock): boolean {
  return (
    nodeNameProblem(identity.name) === undefined &&
    identity.email === `${node}@atoll` &&
    identity.seconds === clockSeconds(clock)
  )
}

export function sameIdentity(a: Identity, b: Identity): boolean {
  return a.name === b.name && a.email === b.email && a.seconds === b.seconds
}

function nodeNameProblem(text: string): string | undefined {
  if (text.length > MAX_NODE_NAME_LENGTH) return `longer than ${MAX_NODE_NAME_LENGTH} characters`
  if (!isWellFormed(text)) return 'has a lone surrogate'
  if (unfitName.test(text)) return 'is empty, or has a control character, an angle bracket or a blank at an end'
  return undefined
}
