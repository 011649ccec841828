import { isDeepStrictEqual } from 'node:util'
import { dim, green, indent, red, say } from './terminal.mjs'

/** The claims of the story. Each is shown as it is checked; the run fails if one does not hold, and says which. */
export class Checks {
  failures = []
  passed = 0

  /** Is it exactly what was expected? */
  equal(claim, actual, expected) {
    if (isDeepStrictEqual(actual, expected)) this.#pass(claim)
    else this.#fail(claim, `expected ${short(expected)}, found ${short(actual)}`)
  }

  /** Are they all the same? `valueByName` is shown when they are not. */
  allEqual(claim, valueByName) {
    const values = Object.values(valueByName)
    if (values.length > 0 && values.every(value => isDeepStrictEqual(value, values[0]))) this.#pass(claim)
    else
      this.#fail(
        claim,
        Object.entries(valueByName)
          .map(([name, value]) => `${name}: ${short(value)}`)
          .join(', '),
      )
  }

  /** Do two maps from id to value hold the same records? The first differences are named. */
  sameRecords(claim, actual, expected) {
    const differences = []
    for (const id of new Set([...expected.keys(), ...actual.keys()])) {
      if (isDeepStrictEqual(actual.get(id), expected.get(id))) continue
      differences.push(`${id}: expected ${short(expected.get(id))}, found ${short(actual.get(id))}`)
    }
    const named = differences.slice(0, 3).join('\n  ')
    if (differences.length === 0) this.#pass(claim)
    else this.#fail(claim, `${differences.length} of ${expected.size} records differ:\n  ${named}`)
  }

  holds(claim, condition, explanation = 'it does not hold') {
    if (condition) this.#pass(claim)
    else this.#fail(claim, explanation)
  }

  #pass(claim) {
    this.passed += 1
    say(indent(`${green('✓')} ${claim}`))
  }

  #fail(claim, explanation) {
    this.failures.push({ claim, explanation })
    say(indent(`${red('✗')} ${claim}\n  ${dim(explanation)}`))
  }
}

function short(value) {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
