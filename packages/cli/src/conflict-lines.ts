import type { Conflict, ConflictVersion, MergeReason } from '@atolldb/client'
import { valueJson, valueText } from './change-lines.ts'
import { count, printable, printableId, tableLines, type Output } from './output.ts'

/** Why the collection's own rule did not decide, or is broken. */
const wordsByReason: Readonly<Record<MergeReason, string>> = {
  schema: 'the merged value breaks the schema of its collection',
  'schema-limits': 'the merged value takes too many steps to check against the schema of its collection',
  'script-failed': 'the merge script failed',
  'script-input': 'the merge script would have had to read bytes',
  'script-limits': 'the merge script went beyond its limits',
  'script-missing': 'the merge script is missing',
  'script-result': 'what the merge script returned is no value',
}

/** One conflict of a list. */
export function conflictRow({ collection, id, contested, versions }: Conflict): string[] {
  return [
    `${collection}/${printableId(id)}`,
    contested ? 'contested' : 'merged',
    count(versions.length, 'version'),
    versions.map(({ author }) => printable(author.name)).join(', '),
    shownTime(versions.at(-1)?.time),
  ]
}

/** One conflict as a person looks at it. */
export function conflictLines({ base, versions, chosen, contested, reason, version }: Conflict, out: Output): string[] {
  const rows = [
    ['before', '', '', shownContent(base)],
    ...versions.map(({ commit, author, time, op, value }) => [
      commit.slice(0, 10),
      printable(author.name),
      shownTime(time),
      op === 'delete' ? '(deleted)' : shownContent(value),
    ]),
    ['chosen', '', '', shownContent(chosen)],
  ]
  const kind = contested ? 'contested' : 'merged without loss'
  const why = reason === undefined ? [] : [`because ${wordsByReason[reason]}`]
  return [`${out.yellow(kind)} ${out.dim(version)}`, ...why, ...tableLines(rows)]
}

function shownTime(time: Date | undefined): string {
  return time === undefined ? '-' : time.toISOString().replace('T', ' ').slice(0, 19)
}

function shownContent(value: unknown): string {
  return value === undefined ? '(none)' : valueText(value)
}

/** As the door has it: content is `{"value":…}` or `{"bytes":…}` (base64), and null where there is none. */
export function conflictJson({ base, versions, chosen, ...conflict }: Conflict): object {
  return {
    ...conflict,
    base: contentJson(base),
    versions: versions.map(versionJson),
    chosen: contentJson(chosen),
  }
}

function versionJson({ value, version, ...others }: ConflictVersion): unknown {
  return others.op === 'delete' ? others : { ...others, ...valueJson(value), version }
}

function contentJson(value: unknown): object | null {
  return value === undefined ? null : valueJson(value)
}
