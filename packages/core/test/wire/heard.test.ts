import { describe, expect, it } from 'vitest'
import { forgetConnection, nothingHeard, takeBroadcast, takeHello } from '../../src/index.ts'

describe('what a peer says', () => {
  it('is taken once, in its order, over restarts too', () => {
    const heard = nothingHeard()
    expect(takeBroadcast(heard, [3, 1])).toBe(true)
    expect(takeBroadcast(heard, [3, 1])).toBe(false)
    expect(takeBroadcast(heard, [2, 9])).toBe(false)
    expect(takeBroadcast(heard, [4, 0])).toBe(true)
    expect(takeBroadcast(heard, [3, 2])).toBe(false)
  })

  it('takes nothing back that a newer word has overtaken', () => {
    const heard = nothingHeard()
    expect(takeHello(heard, [3, 1])).toBe(true)
    expect(takeHello(heard, [3, 1])).toBe(true)
    expect(takeBroadcast(heard, [3, 1])).toBe(false)
    expect(takeBroadcast(heard, [3, 2])).toBe(true)
    expect(takeHello(heard, [3, 1])).toBe(false)
    expect(takeHello(heard, [2, 9])).toBe(false)
  })

  it('of before its restart is no news after it', () => {
    const heard = nothingHeard()
    expect(takeHello(heard, [3, 1])).toBe(true)
    forgetConnection(heard)
    expect(takeHello(heard, [4, 0])).toBe(true)
    expect(takeBroadcast(heard, [3, 2])).toBe(false)
    expect(takeBroadcast(heard, [4, 1])).toBe(true)
  })
})

describe('a peer that was put back to a backup', () => {
  it('is heard from its first hello on', () => {
    const heard = nothingHeard()
    expect(takeBroadcast(heard, [7, 5])).toBe(true)
    forgetConnection(heard)
    expect(takeBroadcast(heard, [3, 1])).toBe(false)
    expect(takeHello(heard, [3, 1])).toBe(true)
    expect(takeBroadcast(heard, [3, 2])).toBe(true)
    expect(takeBroadcast(heard, [3, 2])).toBe(false)
  })

  it('is not silenced by what others replay of the time before', () => {
    const heard = nothingHeard()
    expect(takeBroadcast(heard, [7, 5])).toBe(true)
    forgetConnection(heard)
    expect(takeHello(heard, [3, 1])).toBe(true)
    expect(takeBroadcast(heard, [7, 6])).toBe(false)
    expect(takeBroadcast(heard, [3, 2])).toBe(true)
  })

  it('is not silenced by what is replayed before its first hello either', () => {
    const heard = nothingHeard()
    expect(takeBroadcast(heard, [7, 5])).toBe(true)
    forgetConnection(heard)
    expect(takeBroadcast(heard, [7, 6])).toBe(true)
    expect(takeHello(heard, [3, 1])).toBe(true)
    expect(takeBroadcast(heard, [3, 2])).toBe(true)
  })
})
