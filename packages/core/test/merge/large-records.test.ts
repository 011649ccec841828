import { expect, it } from 'vitest'
import { canonicalJson, decodeUtf8, encodeUtf8, MAX_VALUE_BYTES } from '../../src/index.ts'
import type { CommitId, JsonValue, NodeId, ObjectId, RecordRef, StoredContent } from '../../src/index.ts'
import { mergeFields } from '../../src/merge/fields-policy.ts'
import type { PolicyInput } from '../../src/merge/policy.ts'

/* What `fields` costs for the largest records, and for the most versions. The oracle is not asked: it is slow by intent. */

/** Some seconds are enough on a busy machine. Where each change of a member cost a copy of all, it was hours. */
const LONGEST_MS = 45_000

type Members = { readonly [key: string]: JsonValue }

const contentOf = (value: Members, version: string): StoredContent => ({
  format: 'json',
  version: version as ObjectId,
  bytes: encodeUtf8(canonicalJson(value)),
})

/** Versions of one record, each made by one change of the same value, and merged. */
async function merge(base: Members, edits: readonly Members[]) {
  const before = contentOf(base, 'base')
  const versions = edits.map((edit, i) => {
    const commit = `${i}`.padStart(40, '0') as CommitId
    return {
      commit,
      stamp: { clock: { ms: i, counter: 0 }, node: 'n' as NodeId, commit },
      content: contentOf(edit, `${i}`),
    }
  })
  let breaths = 0
  const endsMs = performance.now() + LONGEST_MS
  const input: PolicyInput = {
    ref: { kind: 'objects', collection: 'farms', id: 'north' } as RecordRef,
    versions,
    history: () =>
      Promise.resolve({
        base: before,
        changes: versions.map(({ stamp, content }, i) => ({ stamp, before, after: content, heirs: 1n << BigInt(i) })),
      }),
    commonValue: () => Promise.resolve(before),
    read: content => Promise.resolve(content.bytes!),
    versionOf: () => 'merged' as ObjectId,
    breathe: async () => {
      breaths++
      if (performance.now() > endsMs) throw new Error('this costs far more than it should')
    },
  }
  const { content, contested } = await mergeFields(input)
  return { text: content && decodeUtf8(content.bytes!), contested, breaths }
}

const membersOf = (count: number, valueOf: (i: number) => JsonValue | undefined): Members =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [i === 0 ? '__proto__' : `k${i.toString(36)}`, valueOf(i)] as const).filter(
      (member): member is readonly [string, JsonValue] => member[1] !== undefined,
    ),
  )

/** As many members as a value can have, nearly. */
const most = 95_000

it(
  'merges the fields of a record of 95,000 that were all changed, and breathes on the way',
  async () => {
    const base = membersOf(most, () => 0)
    expect(canonicalJson(base).length).toBeGreaterThan(0.85 * MAX_VALUE_BYTES)
    const { text, contested, breaths } = await merge(base, [
      membersOf(most, i => (i % 2 === 0 ? 1 : 0)),
      membersOf(most, i => (i % 4 === 1 ? undefined : i % 4 === 3 ? 2 : 0)),
    ])
    expect(text === canonicalJson(membersOf(most, i => [1, undefined, 1, 2][i % 4]))).toBe(true)
    expect(contested).toBe(false)
    expect(breaths).toBeGreaterThan(10)
  },
  2 * LONGEST_MS,
)

it(
  'merges those nested in one member, the last of which clashes',
  async () => {
    const count = 20_000
    const nest = (members: Members): Members => ({ a: { b: members } })
    const later = nest(membersOf(count, i => (i === count - 1 ? 2 : 1)))
    const { text, contested } = await merge(nest(membersOf(count, () => 0)), [nest(membersOf(count, () => 1)), later])
    expect(text === canonicalJson(later)).toBe(true)
    expect(contested).toBe(true)
  },
  2 * LONGEST_MS,
)

it(
  'merges 256 versions, and breathes between their pairs',
  async () => {
    const fields = 256 * 4
    const base = membersOf(fields, () => 0)
    const { text, contested, breaths } = await merge(
      base,
      Array.from({ length: 256 }, (_, version) => membersOf(fields, i => (i % 256 === version ? 1 : 0))),
    )
    expect(text === canonicalJson(membersOf(fields, () => 1))).toBe(true)
    expect(contested).toBe(false)
    expect(breaths).toBeGreaterThan(10)
  },
  2 * LONGEST_MS,
)
