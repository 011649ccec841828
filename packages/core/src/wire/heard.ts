import { compareSequences, type Sequence } from './sequence.ts'

/**
 * How far one peer was heard, so that its words are told from replays. What a peer says of its heads is taken once, in the order
 * in which it said it: on the glob channel anybody may say it again.
 *
 * A node that is put back to a backup counts anew what it counted before. Only the peer itself speaks on a connection to it, so
 * the incarnation that it tells there is the one that lives: it is heard whatever was counted before, and messages of the channel
 * that are of another one are replays for as long as it is connected.
 */
export interface Heard {
  /** Its newest message on the channel. */
  newest: Sequence
  /** Its newest word since it connected, on the channel or not, which may have overtaken older ones. */
  spoken: Sequence
  /** Which incarnation of it is connected, once it said so. */
  incarnation: number | undefined
}

const NOTHING: Sequence = [0, 0]

export function nothingHeard(): Heard {
  return { newest: NOTHING, spoken: NOTHING, incarnation: undefined }
}

/** It connected, or its connection ended. */
export function forgetConnection(heard: Heard): void {
  heard.spoken = NOTHING
  heard.incarnation = undefined
}

/** A hello of it came; of one that a newer word has overtaken, false. */
export function takeHello(heard: Heard, sequence: Sequence): boolean {
  // What the channel brought before the first hello may be a replay of another incarnation.
  const isFirst = heard.incarnation === undefined
  const isComparable = !isFirst || sequence[0] === heard.spoken[0]
  if (isComparable && compareSequences(sequence, heard.spoken) < 0) return false
  heard.spoken = sequence
  heard.incarnation = sequence[0]
  if (sequence[0] < heard.newest[0]) heard.newest = sequence
  return true
}

/** A message of it came on the channel; of a replay, false. */
export function takeBroadcast(heard: Heard, sequence: Sequence): boolean {
  if (heard.incarnation !== undefined && sequence[0] !== heard.incarnation) return false
  if (compareSequences(sequence, heard.newest) <= 0 || compareSequences(sequence, heard.spoken) <= 0) return false
  heard.newest = sequence
  heard.spoken = sequence
  return true
}
