/**
 * What a row of the table holds. `subject` is Atoll's measure in `unit`; a row with a reference has its measure and the ratio
 * of the two, which bar and goal are about; a row without one is held to bar and goal itself; a row without a bar informs.
 */

/** More is better: the ratio subject / reference must reach the bar. */
export function faster(title, unit, { subject, reference }, referenceName, bar, goal) {
  const ratio = subject / reference
  return { title, unit, subject, referenceName, reference, ratio, relation: '≥', bar, goal, reached: ratio >= bar }
}

/** Less is better: the ratio subject / reference must stay below the bar. */
export function sooner(title, unit, { subject, reference }, referenceName, bar, goal) {
  const ratio = subject / reference
  return { title, unit, subject, referenceName, reference, ratio, relation: '≤', bar, goal, reached: ratio <= bar }
}

/** An absolute measure that must reach the bar. */
export function atLeast(title, unit, subject, bar, goal) {
  return { title, unit, subject, relation: '≥', bar, goal, reached: subject >= bar }
}

/** An absolute measure that must stay below the bar. */
export function atMost(title, unit, subject, bar, goal) {
  return { title, unit, subject, relation: '≤', bar, goal, reached: subject <= bar }
}

/** A measure without a bar. */
export function noted(title, unit, subject) {
  return { title, unit, subject }
}

export function grouped(number) {
  return number.toLocaleString('en-US')
}
