/** What the writer that was killed may have left behind, from what it said before: see `writer.mjs`. */

export type Step =
  | { readonly object: string; readonly value: string | null }
  | { readonly batch: string; readonly value: string }
  | { readonly insert: string }
  | { readonly remove: string }

export type LogLine = readonly ['open'] | readonly ['try', number, Step] | readonly ['ack', number]

/** Undefined: the record is not there. */
type Value = string | undefined

/** Per record the values that it may have: one, unless a write was under way. */
export class Model {
  readonly objects = new Map<string, Set<Value>>()
  readonly batches = new Map<string, Set<Value>>()
  /** Values of list records that are there, and of those that may be. */
  readonly inserted = new Set<string>()
  readonly maybeInserted = new Set<string>()
  readonly removed = new Set<string>()
  readonly maybeRemoved = new Set<string>()
  acknowledged = 0

  /** The lines of one life of the writer, which ended by SIGKILL; what it acknowledged after the first `certain` of them may be lost. */
  add(lines: readonly LogLine[], certain = lines.length): void {
    const underWay = new Map<number, Step>()
    for (const [i, line] of lines.entries()) {
      if (line[0] === 'try') underWay.set(line[1], line[2])
      if (line[0] !== 'ack') continue
      const step = underWay.get(line[1])
      if (step === undefined) throw new Error('the writer acknowledged what it never tried')
      underWay.delete(line[1])
      if (i >= certain) this.#maybe(step)
      else this.#acknowledge(step)
      this.acknowledged++
    }
    for (const step of underWay.values()) this.#maybe(step)
  }

  #acknowledge(step: Step): void {
    if ('object' in step) this.objects.set(step.object, new Set([step.value ?? undefined]))
    else if ('batch' in step) this.batches.set(step.batch, new Set([step.value]))
    else if ('insert' in step) this.inserted.add(step.insert)
    else this.removed.add(step.remove)
  }

  #maybe(step: Step): void {
    if ('object' in step) addTo(this.objects, step.object, step.value ?? undefined)
    else if ('batch' in step) addTo(this.batches, step.batch, step.value)
    else if ('insert' in step) this.maybeInserted.add(step.insert)
    else this.maybeRemoved.add(step.remove)
  }

  /** What is wrong with what a node holds: empty when all is well. */
  problems(found: {
    readonly objects: ReadonlyMap<string, string>
    readonly batches: ReadonlyMap<string, string>
    readonly list: ReadonlyMap<string, string>
  }): string[] {
    const problems = [...wrongObjects(this.objects, found.objects), ...this.#wrongBatches(found.batches)]
    const values = new Map([...found.list].map(([id, value]) => [value, id]))
    for (const value of this.inserted)
      // The writer named by its id what it removed: a record that is not there must be one of those.
      if (!values.has(value)) values.set(value, '')
    const missing = [...values].filter(([, id]) => id === '').length
    if (missing > this.removed.size + this.maybeRemoved.size)
      problems.push(`${missing} acknowledged inserts are missing`)
    if (missing < this.removed.size) problems.push(`${this.removed.size - missing} list records are back`)
    for (const id of found.list.keys()) if (this.removed.has(id)) problems.push(`list record ${id} is back`)
    for (const value of found.list.values())
      if (!this.inserted.has(value) && !this.maybeInserted.has(value)) problems.push(`nobody inserted ${value}`)
    return problems
  }

  #wrongBatches(found: ReadonlyMap<string, string>): string[] {
    const problems: string[] = []
    const slots = new Map<string, Value>()
    for (const slot of this.batches.keys()) {
      const [a, b, c] = ['a', 'b', 'c'].map(part => found.get(`${slot}/${part}`))
      if (a !== b || b !== c) problems.push(`half a batch in ${slot}: ${a}, ${b}, ${c}`)
      if (a !== undefined) slots.set(slot, a)
    }
    if (found.size !== 3 * slots.size) problems.push('records of batches that nobody wrote')
    return [...problems, ...wrongObjects(this.batches, slots)]
  }
}

function addTo(values: Map<string, Set<Value>>, id: string, value: Value): void {
  const known = values.get(id)
  if (known === undefined) values.set(id, new Set([undefined, value]))
  else known.add(value)
}

function wrongObjects(expected: ReadonlyMap<string, ReadonlySet<Value>>, found: ReadonlyMap<string, Value>): string[] {
  const problems: string[] = []
  for (const [id, values] of expected)
    if (!values.has(found.get(id))) problems.push(`${id} is ${found.get(id)}, not ${[...values].join(' or ')}`)
  for (const id of found.keys()) if (!expected.has(id)) problems.push(`nobody wrote ${id}`)
  return problems
}
