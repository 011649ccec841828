import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canTrace, createBase, killAtCall, systemCalls, traceNote, type Base } from '../faults/system-call-kills.ts'
import { first } from './rounds.ts'

describe.skipIf(!canTrace)(`a node that is killed as it begins a system call${traceNote}`, () => {
  let base: Base
  beforeAll(async () => (base = await createBase()).directory)
  afterAll(() => base.remove())

  test.each(systemCalls)('%s, every single one, has all that it acknowledged, and git is content', async call => {
    let kills = 0
    while (await killAtCall(base, call, first + kills)) kills++
    // oxlint-disable-next-line no-console -- says what a run was worth
    console.log(`${call}: ${kills} kills, from number ${first} on`)
    // Of most there are not so many as where a run may be told to begin.
    if (first === 1) expect(kills).toBeGreaterThan(0)
  })
})
