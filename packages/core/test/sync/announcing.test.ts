import { describe, expect, it } from 'vitest'
import type { CommitId } from '../../src/ids.ts'
import {
  type AnnouncingEffect,
  type AnnouncingEvent,
  headsToTell,
  newAnnouncingState,
  noteTold,
  stepAnnouncing,
} from '../../src/sync/announcing.ts'

class Machine {
  readonly state = newAnnouncingState()
  nowMs = 0

  take(event: AnnouncingEvent): AnnouncingEffect[] {
    return stepAnnouncing(this.state, event, this.nowMs)
  }

  adopt(peers: number, random = 0): AnnouncingEffect[] {
    return this.take({ type: 'adopted', peers, random })
  }

  after(ms: number, isFetching = false): AnnouncingEffect[] {
    this.nowMs += ms
    return this.take({ type: 'timer', isFetching })
  }
}

const announcement: AnnouncingEffect[] = [{ type: 'announce' }]

describe('when a node tells where its main stands', () => {
  it('tells what it sealed at once', () => {
    expect(new Machine().take({ type: 'sealed' })).toEqual(announcement)
  })

  it('tells what it adopted after a pause, the longer the more peers there are', () => {
    const pauses = [1, 3, 10, 200].map(peers => new Machine().adopt(peers))
    expect(pauses).toEqual([10, 30, 100, 2_000].map(atMs => [{ type: 'wake', atMs }]))
    expect(new Machine().adopt(2, 0.5)).toEqual([{ type: 'wake', atMs: 30 }])
    expect(new Machine().adopt(0)).toEqual(announcement)
  })

  it('tells adoptions that follow each other once', () => {
    const machine = new Machine()
    machine.adopt(10)
    machine.nowMs = 60
    expect(machine.adopt(10)).toEqual([{ type: 'wake', atMs: 160 }])
    expect(machine.after(40)).toEqual([{ type: 'wake', atMs: 160 }])
    expect(machine.after(60)).toEqual(announcement)
    expect(machine.after(1_000)).toEqual([])
  })

  it('waits for what is being fetched, but not for long', () => {
    const machine = new Machine()
    machine.adopt(10)
    expect(machine.after(100, true)).toEqual([{ type: 'wake', atMs: 200 }])
    expect(machine.after(100)).toEqual(announcement)
    machine.adopt(10)
    for (const atMs of [400, 500, 600]) expect(machine.after(100, true)).toEqual([{ type: 'wake', atMs }])
    expect(machine.after(100, true)).toEqual(announcement)
  })

  it('tells adoptions that never pause now and then', () => {
    const machine = new Machine()
    let told = 0
    for (; machine.nowMs < 10_000; machine.nowMs += 50) if (machine.adopt(10)[0]?.type === 'announce') told++
    expect(told).toBe(22)
  })

  it('tells what it adopted with what it seals then', () => {
    const machine = new Machine()
    machine.adopt(10)
    expect(machine.take({ type: 'sealed' })).toEqual(announcement)
    expect(machine.after(1_000)).toEqual([])
  })
})

describe('the heads that it lists', () => {
  const main = 'main' as CommitId
  const heads = Array.from({ length: 9 }, (_, i) => `head-${i}` as CommitId)

  it('are all, where nobody has told of that main', () => {
    expect(headsToTell(newAnnouncingState(), main, heads)).toEqual(heads)
  })

  it('are none, where somebody has and they are many', () => {
    const state = newAnnouncingState()
    noteTold(state, main)
    expect(headsToTell(state, main, heads)).toEqual([])
    expect(headsToTell(state, 'other' as CommitId, heads)).toEqual(heads)
    expect(headsToTell(state, main, heads.slice(1))).toEqual(heads.slice(1))
  })
})
