/**
 * Where a reader of the feed is, as opaque text: `<position>-<index>-<incarnation>-<sequence>-<main>`, in the middle of
 * a move with `-<next main>` behind it; positions counted from 1; or `0` for the beginning of everything.
 */
import { type CommitId, invalid, isObjectId } from '@atolldb/core'

export interface FeedPlace {
  /** Of the `main` that was told in full; -1 for none. */
  readonly position: number
  /** That `main`; undefined for the state of nothing. */
  readonly main: CommitId | undefined
  /** So many differences of what comes next were told too. */
  readonly index: number
  /** What comes next, where differences of it were told: to another `main` they are others. Undefined in a cursor of before. */
  readonly next?: CommitId | undefined
  /** And the entries that were pending in this start of the node, up to this sequence number. */
  readonly incarnation: number
  readonly sequence: number
}

export const FEED_START = '0'
const cursorPattern = /^(\d{1,15})-(\d{1,15})-(\d{1,10})-(\d{1,15})-([0-9a-f]{40})(?:-([0-9a-f]{40}))?$/

export function encodeFeedCursor({ position, index, next, incarnation, sequence, main }: FeedPlace): string {
  if (main === undefined && sequence === 0 && index === 0) return FEED_START
  const parts = [position + 1, index, incarnation, sequence, main ?? '0'.repeat(40)]
  return (index > 0 && next !== undefined ? [...parts, next] : parts).join('-')
}

/** @throws INVALID */
export function decodeFeedCursor(cursor: unknown): FeedPlace {
  if (cursor === FEED_START) return { position: -1, main: undefined, index: 0, incarnation: 0, sequence: 0 }
  const match = typeof cursor === 'string' ? cursorPattern.exec(cursor) : null
  const [position, index, incarnation, sequence] = (match ?? []).slice(1, 5).map(Number)
  const main = match?.[5]
  if (position === undefined || main === undefined || !isObjectId(main))
    throw invalid('since', 'is no cursor of a feed')
  return {
    position: position - 1,
    main: /^0+$/.test(main) ? undefined : (main as CommitId),
    index: index ?? 0,
    next: match?.[6] as CommitId | undefined,
    incarnation: incarnation ?? 0,
    sequence: sequence ?? 0,
  }
}
