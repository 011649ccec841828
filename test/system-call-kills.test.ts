import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canTrace, createBase, killAtCall, traceNote, type Base } from './faults/system-call-kills.ts'

/** A sample; `scripts/soak` kills at every one. Where there is no strace, packages/git/test/crash.test.ts fails at every step. */
describe.skipIf(!canTrace)(`a node that is killed as it begins a system call${traceNote}`, () => {
  let base: Base
  beforeAll(async () => (base = await createBase()).directory)
  afterAll(() => base.remove())

  test.each([
    ['fsync', 3],
    ['fsync', 11],
    ['pwrite64', 2],
    ['rename', 2],
    ['unlink', 1],
  ] as const)('%s, the %i. time, has all that it acknowledged, and git is content', async (call, nth) => {
    expect(await killAtCall(base, call, nth)).toBe(true)
  })
})
