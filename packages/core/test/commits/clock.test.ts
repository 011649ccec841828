import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HybridClock, compareClock, formatClock, isAhead, parseClock } from '../../src/commits/clock.ts'
import { isAtollError } from '../../src/errors.ts'
import { MAX_CLOCK_COUNTER, MAX_CLOCK_MS, MAX_DRIFT_MS } from '../../src/limits.ts'

const clocks = fc.record({
  ms: fc.oneof(fc.nat({ max: 5 }), fc.constant(MAX_CLOCK_MS - 1), fc.nat({ max: MAX_CLOCK_MS - 1 })),
  counter: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: MAX_CLOCK_COUNTER })),
})

describe('the text form of a clock', () => {
  it('is read back', () => {
    fc.assert(
      fc.property(clocks, clock => {
        expect(parseClock(formatClock(clock))).toEqual(clock)
      }),
    )
  })

  it.each(['', '1', '1.', '.1', '01.0', '1.00', '1.-1', '1.0 ', '1.0\n', '1e3.0', '253402300800000.0', '0.65536'])(
    'is not %j',
    text => expect(() => parseClock(text)).toThrow(expect.objectContaining({ code: 'INVALID' })),
  )
})

describe('HybridClock', () => {
  it('is never behind what it gave out or observed, whatever the wall clock does', () => {
    const event = fc.oneof(
      fc.record({ wall: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: MAX_CLOCK_MS }), fc.double()) }),
      fc.record({ observed: clocks }),
    )
    fc.assert(
      fc.property(clocks, fc.array(event), (initial, events) => {
        let nowMs = 0
        const clock = new HybridClock({ nowMs: () => nowMs }, initial)
        let last = initial
        for (const { wall, observed } of events as { wall?: number; observed?: typeof initial }[]) {
          if (observed) clock.observe(observed)
          if (wall !== undefined) nowMs = Number.isNaN(wall) ? 0 : wall
          if (observed && compareClock(observed, last) > 0) last = observed
          try {
            const next = clock.tick()
            expect(compareClock(next, last)).toBeGreaterThan(0)
            expect(parseClock(formatClock(next))).toEqual(clock.peek())
            last = next
          } catch (error) {
            // The end of time.
            expect(isAtollError(error, 'INVALID') && last.ms === MAX_CLOCK_MS).toBe(true)
          }
        }
      }),
    )
  })

  it('follows the wall clock, and counts within a millisecond and when the wall clock is behind', () => {
    let nowMs = 1000.7
    const clock = new HybridClock({ nowMs: () => nowMs })
    expect(clock.tick()).toEqual({ ms: 1000, counter: 0 })
    expect(clock.tick()).toEqual({ ms: 1000, counter: 1 })
    nowMs = 10
    expect(clock.tick()).toEqual({ ms: 1000, counter: 2 })
    nowMs = 1001
    expect(clock.tick()).toEqual({ ms: 1001, counter: 0 })
  })

  it('moves the milliseconds on when the counter is full', () => {
    const clock = new HybridClock({ nowMs: () => 5 }, { ms: 7, counter: MAX_CLOCK_COUNTER })
    expect(clock.tick()).toEqual({ ms: 8, counter: 0 })
  })
})

it('holds back what is more than the drift ahead of the wall clock', () => {
  expect(isAhead({ ms: 1000 + MAX_DRIFT_MS, counter: 9 }, 1000)).toBe(false)
  expect(isAhead({ ms: 1001 + MAX_DRIFT_MS, counter: 0 }, 1000)).toBe(true)
})
