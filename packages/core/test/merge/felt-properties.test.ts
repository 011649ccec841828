import { describe, expect, it } from 'vitest'
import { recordKey } from '../../src/index.ts'
import type { CommitId, JsonValue } from '../../src/index.ts'
import { ArrivingHistory } from './arriving-states.ts'
import type { RecordChange } from './arriving-states.ts'

/*
 * What people rely on without knowing the definition of a state: checked on random histories by the values
 * that the merge shows, and by what each commit wrote; the oracle's states are not looked at.
 */
const seeds = [1, 2, 3]
const plan = { commits: 150, nodes: 6, records: 24 }

type Path = readonly string[]
type Value = JsonValue | Uint8Array | undefined
interface Assignment {
  readonly commit: CommitId
  readonly path: Path
  readonly value: Value
}

describe.each(seeds)('in any history of JSON objects merged by fields (seed %i)', seed => {
  it('the later of two assignments to a path wins, whatever else happened', async () => {
    const arriving = await ArrivingHistory.draw(seed, { ...plan, values: 'objects' })
    let checked = 0
    for await (const { after, added, known } of arriving.states())
      for (const key of arriving.changedBy(added)) {
        const shown = after.get(key)
        if (shown?.content === undefined || shown.ref.kind === 'lists') continue
        const value = await arriving.value(shown.content)
        const assignments = (await arriving.changes(shown.ref, known)).flatMap(assignmentsOf)
        for (const { path } of assignments) {
          const latest = assignments.findLast(each => startsWith(path, each.path) || startsWith(each.path, path))!
          // The later one went on below: it decides there.
          if (latest.path.length > path.length) continue
          expect(at(value, path), `${key} ${path.join('.')}`).toEqual(at(latest.value, path.slice(latest.path.length)))
          checked++
        }
      }
    expect(checked).toBeGreaterThan(100)
  })

  it('a field that nobody touched again does not return to an older value', async () => {
    const arriving = await ArrivingHistory.draw(seed, { ...plan, values: 'objects' })
    let checked = 0
    for await (const { before, after, added, known } of arriving.states())
      for (const key of arriving.changedBy(added)) {
        const [old, now] = [before.get(key), after.get(key)]
        if (old?.content === undefined || now?.content === undefined || now.ref.kind === 'lists') continue
        const came = new Set(added)
        const assignments = (await arriving.changes(now.ref, known)).flatMap(assignmentsOf)
        const touched = assignments.filter(({ commit }) => came.has(commit)).map(({ path }) => path)
        const [oldValue, value] = [await arriving.value(old.content), await arriving.value(now.content)]
        for (const { path } of assignments) {
          if (touched.some(other => startsWith(path, other) || startsWith(other, path))) continue
          expect(at(value, path), `${key} ${path.join('.')}`).toEqual(at(oldValue, path))
          checked++
        }
      }
    expect(checked).toBeGreaterThan(20)
  })
})

describe.each(seeds)('in any history of other values, merged by latest (seed %i)', seed => {
  it('the greatest stamp is shown, a delete as well', async () => {
    const arriving = await ArrivingHistory.draw(seed, { ...plan, values: 'others' })
    let checked = 0
    for await (const { after, added, known } of arriving.states())
      for (const key of arriving.changedBy(added)) {
        const shown = after.get(key)
        if (shown === undefined || shown.ref.kind === 'lists') continue
        const latest = (await arriving.changes(shown.ref, known)).at(-1)!
        expect(await arriving.value(shown.content), key).toEqual(latest.after)
        checked++
      }
    expect(checked).toBeGreaterThan(100)
  })
})

describe.each(seeds)('in any history at all, every policy, script and schema in it (seed %i)', seed => {
  it('an unrelated commit never changes a record, nor its conflict', async () => {
    const arriving = await ArrivingHistory.draw(seed, plan)
    let checked = 0
    for await (const { before, after, added } of arriving.states()) {
      const changed = arriving.changedBy(added)
      for (const [key, record] of after) {
        if (changed.has(key)) continue
        expect(record, key).toEqual(before.get(key))
        checked++
      }
    }
    expect(checked).toBeGreaterThan(100)
  })

  it('a settled conflict stays settled: no state lists a version that a write in it has seen', async () => {
    const arriving = await ArrivingHistory.draw(seed, plan)
    const { oracle } = arriving.history
    let settled = 0
    for await (const { before, after, added, known } of arriving.states()) {
      for (const { ref, versions } of after.values()) {
        if (versions.length === 0) continue
        const writers = [...known].filter(id => arriving.changedBy([id]).has(recordKey(ref)))
        for (const version of versions)
          expect(writers.filter(id => id !== version && oracle.isAncestor(version, id))).toEqual([])
      }
      for (const key of arriving.changedBy(added))
        if ((before.get(key)?.versions.length ?? 0) > 0 && after.get(key)?.versions.length === 0) settled++
    }
    expect(settled).toBeGreaterThan(3)
  })
})

/** What a put assigned: where it differs from what its writer had. */
function assignmentsOf({ commit, before, after }: RecordChange): Assignment[] {
  return after === undefined ? [] : differences(before, after, []).map(([path, value]) => ({ commit, path, value }))
}

function differences(before: Value, after: Value, path: Path): [Path, Value][] {
  if (isObject(before) && isObject(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)])
    return [...keys].flatMap(key => differences(own(before, key), own(after, key), [...path, key]))
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [[path, after]]
}

function at(value: Value, path: Path): Value {
  return path.reduce<Value>((inner, key) => own(inner, key), value)
}

function own(value: Value, key: string): Value {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

function isObject(value: Value): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((key, i) => path[i] === key)
}
