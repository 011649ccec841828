import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CommitId, NodeId } from '../../src/ids.ts'
import { MAX_FETCH_WANTS } from '../../src/limits.ts'
import {
  disconnectAll,
  type FetchOutcome,
  newSyncState,
  step,
  type SyncEffect,
  type SyncEvent,
  type SyncState,
} from '../../src/sync/sync.ts'

const [a, b, c] = ['a', 'b', 'c'] as string[] as [NodeId, NodeId, NodeId]
const [x, y, z] = ['x', 'y', 'z'] as string[] as [CommitId, CommitId, CommitId]

class Machine {
  readonly state: SyncState = newSyncState()
  nowMs = 0

  take(event: SyncEvent): SyncEffect[] {
    return step(this.state, event, this.nowMs)
  }

  connect(...peers: NodeId[]): void {
    for (const peer of peers) this.take({ type: 'peer-connected', peer })
  }

  tell(peer: NodeId, ...unknown: CommitId[]): SyncEffect[] {
    return this.take({ type: 'heads-told', peer, unknown })
  }

  end(peer: NodeId, outcome: FetchOutcome): SyncEffect[] {
    const fetch = this.state.peers.get(peer)?.fetch?.number ?? -1
    return this.take({ type: 'fetch-ended', peer, fetch, outcome })
  }

  after(ms: number): SyncEffect[] {
    this.nowMs += ms
    return this.take({ type: 'timer' })
  }
}

/** `peer wants…` of each fetch. */
function fetches(effects: readonly SyncEffect[]): string[] {
  return effects.flatMap(effect => (effect.type === 'fetch' ? [`${effect.peer} ${effect.wants.join(' ')}`] : []))
}

function wake(effects: readonly SyncEffect[]): number | undefined {
  for (const effect of effects) if (effect.type === 'wake') return effect.atMs
  return undefined
}

describe('what is fetched from whom', () => {
  it('asks a new peer for its heads, and fetches what is unknown', () => {
    const machine = new Machine()
    expect(machine.take({ type: 'peer-connected', peer: a })).toEqual([{ type: 'ask-heads', peer: a }])
    expect(fetches(machine.tell(a, x, y))).toEqual(['a x y'])
    expect(machine.tell(b, x)).toEqual([])
  })

  it('one fetch a peer, and a want from one peer at a time', () => {
    const machine = new Machine()
    machine.connect(a, b)
    expect(fetches(machine.tell(a, x))).toEqual(['a x'])
    expect(fetches(machine.tell(a, x, y))).toEqual([])
    expect(fetches(machine.tell(b, x))).toEqual([])
    expect(fetches(machine.tell(b, x, z))).toEqual(['b z'])
    machine.take({ type: 'arrived', commits: [x] })
    expect(fetches(machine.end(a, 'done'))).toEqual(['a y'])
  })

  it('another peer when the first fails', () => {
    const machine = new Machine()
    machine.connect(a, b)
    machine.tell(a, x)
    machine.tell(b, x)
    expect(fetches(machine.end(a, 'failed'))).toEqual(['b x'])
    machine.take({ type: 'arrived', commits: [x] })
    expect(machine.end(b, 'done')).toEqual([])
    expect(fetches(machine.after(100_000))).toEqual([])
  })

  it('another peer too when the first becomes slow, not before', () => {
    const machine = new Machine()
    machine.connect(a, b, c)
    machine.tell(a, x)
    expect(wake(machine.tell(b, x))).toBe(30_000)
    machine.nowMs = 20_000
    machine.take({ type: 'fetch-progress', peer: a, fetch: machine.state.peers.get(a)!.fetch!.number })
    expect(fetches(machine.after(20_000))).toEqual([])
    expect(fetches(machine.after(10_000))).toEqual(['b x'])
    expect(fetches(machine.tell(c, x))).toEqual([])
  })

  it('nothing that arrived from elsewhere', () => {
    const machine = new Machine()
    machine.connect(a, b)
    machine.tell(a, x)
    machine.tell(b, x)
    machine.take({ type: 'arrived', commits: [x] })
    expect(fetches(machine.end(a, 'done'))).toEqual([])
  })

  it('no more wants than a request may name', () => {
    const machine = new Machine()
    machine.connect(a)
    const heads = Array.from({ length: MAX_FETCH_WANTS + 5 }, (_, i) => `h${i}` as CommitId)
    const [effect] = machine.tell(a, ...heads)
    expect(effect?.type === 'fetch' && effect.wants.length).toBe(MAX_FETCH_WANTS)
  })
})

describe('a peer that fails', () => {
  it('is asked with growing delays, and at once again after it delivered', () => {
    const machine = new Machine()
    machine.connect(a)
    machine.tell(a, x)
    const delays: number[] = []
    for (let round = 0; round < 9; round++) {
      const at = wake(machine.end(a, 'failed'))!
      delays.push(at - machine.nowMs)
      expect(fetches(machine.after(at - machine.nowMs - 1))).toEqual([])
      expect(fetches(machine.after(1))).toEqual(['a x'])
    }
    expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    machine.take({ type: 'arrived', commits: [x] })
    machine.end(a, 'done')
    expect(fetches(machine.tell(a, y))).toEqual(['a y'])
  })

  it('is left alone for minutes, then hours, when what it sent is refused', () => {
    const machine = new Machine()
    machine.connect(a, b)
    machine.tell(a, x)
    const delays: number[] = []
    for (let round = 0; round < 6; round++) {
      const at = wake(machine.end(a, 'refused'))!
      delays.push((at - machine.nowMs) / 60_000)
      expect(fetches(machine.after(at - machine.nowMs))).toEqual(['a x'])
    }
    expect(delays).toEqual([5, 10, 20, 40, 60, 60])
    // Others are not.
    expect(fetches(machine.tell(b, y))).toEqual(['b y'])
  })

  it('is not rid of that by telling other heads, or by dialling again', () => {
    const machine = new Machine()
    machine.connect(a)
    machine.tell(a, x)
    machine.end(a, 'refused')
    expect(fetches(machine.tell(a, y))).toEqual([])
    machine.take({ type: 'peer-gone', peer: a })
    machine.connect(a)
    expect(fetches(machine.tell(a, z))).toEqual([])
    disconnectAll(machine.state)
    machine.connect(a)
    expect(fetches(machine.tell(a, z))).toEqual([])
    expect(fetches(machine.after(5 * 60_000))).toEqual(['a z'])
  })

  it('is refused even when it goes before its bytes were looked at', () => {
    const machine = new Machine()
    machine.connect(a)
    machine.tell(a, x)
    const fetch = machine.state.peers.get(a)!.fetch!.number
    machine.take({ type: 'peer-gone', peer: a })
    machine.take({ type: 'fetch-ended', peer: a, fetch, outcome: 'refused' })
    machine.connect(a)
    expect(fetches(machine.tell(a, x))).toEqual([])
  })

  it('is at no fault when only its connection ended', () => {
    const machine = new Machine()
    machine.connect(a)
    machine.tell(a, x)
    const fetch = machine.state.peers.get(a)!.fetch!.number
    machine.take({ type: 'peer-gone', peer: a })
    machine.connect(a)
    expect(fetches(machine.tell(a, x))).toEqual(['a x'])
    // The end of the fetch of the old connection says nothing about the new one.
    expect(machine.take({ type: 'fetch-ended', peer: a, fetch, outcome: 'failed' })).toEqual([])
    expect(machine.state.peers.get(a)!.fetch).toBeDefined()
  })

  it('is forgotten some day', () => {
    const machine = new Machine()
    for (let i = 0; i < 3_000; i++) {
      const peer = `peer-${i}` as NodeId
      machine.connect(peer)
      machine.tell(peer, `head-${i}` as CommitId)
      machine.end(peer, 'refused')
      machine.take({ type: 'peer-gone', peer })
    }
    expect(machine.state.peers.size).toBe(1_024)
    expect(machine.state.peers.has('peer-2999' as NodeId)).toBe(true)
  })
})

describe('a main that a peer named without its heads', () => {
  function asks(effects: readonly SyncEffect[]): NodeId[] {
    return effects.flatMap(effect => (effect.type === 'ask-heads' ? [effect.peer] : []))
  }

  function named(): Machine {
    const machine = new Machine()
    machine.connect(a, b)
    expect(wake(machine.take({ type: 'main-named', peer: a, main: x }))).toBe(1_000)
    return machine
  }

  it('is asked about after a while, once', () => {
    const machine = named()
    expect(asks(machine.after(999))).toEqual([])
    expect(asks(machine.after(1))).toEqual([a])
    expect(asks(machine.after(10_000))).toEqual([])
  })

  it('is not, where we came to it ourselves, heard its heads, or the peer is gone', () => {
    for (const event of [
      { type: 'main-moved', main: x },
      { type: 'heads-told', peer: a, unknown: [] },
      { type: 'peer-gone', peer: a },
    ] as const) {
      const machine = named()
      machine.take(event)
      expect(asks(machine.after(1_000))).toEqual([])
    }
    const machine = named()
    machine.take({ type: 'main-moved', main: y })
    expect(asks(machine.after(1_000))).toEqual([a])
  })

  it('is not asked about more often where a peer names one after the other, nor put off', () => {
    const machine = named()
    let times = 0
    for (let i = 0; i < 100; i++) {
      machine.take({ type: 'main-named', peer: a, main: `main-${i}` as CommitId })
      times += asks(machine.after(100)).length
    }
    expect(times).toBe(10)
  })

  it('is nothing where its teller is not connected', () => {
    const machine = named()
    expect(machine.take({ type: 'main-named', peer: c, main: y })).toEqual([{ type: 'wake', atMs: 1_000 }])
    expect(asks(machine.after(1_000))).toEqual([a])
  })
})

it('whatever happens: one fetch a peer, no want twice unless slow, and nothing wanted is forgotten', () => {
  const peers = [a, b, c]
  const commits = [x, y, z]
  const moves = fc.oneof(
    fc.record({ move: fc.constant('connect' as const), peer: fc.constantFrom(...peers) }),
    fc.record({ move: fc.constant('gone' as const), peer: fc.constantFrom(...peers) }),
    fc.record({
      move: fc.constant('tell' as const),
      peer: fc.constantFrom(...peers),
      unknown: fc.subarray(commits),
    }),
    fc.record({
      move: fc.constant('end' as const),
      peer: fc.constantFrom(...peers),
      outcome: fc.constantFrom<FetchOutcome>('done', 'failed', 'refused'),
    }),
    fc.record({ move: fc.constant('arrive' as const), commit: fc.constantFrom(...commits) }),
    fc.record({ move: fc.constant('wait' as const), ms: fc.nat({ max: 40_000 }) }),
  )
  fc.assert(
    fc.property(fc.array(moves, { maxLength: 60 }), list => {
      const machine = new Machine()
      let wakeMs = Infinity
      const take = (effects: readonly SyncEffect[]): void => {
        wakeMs = Math.min(wakeMs > machine.nowMs ? wakeMs : Infinity, wake(effects) ?? Infinity)
        const busy = [...machine.state.peers.values()].flatMap(({ fetch }) =>
          fetch !== undefined && fetch.progressMs + 30_000 > machine.nowMs ? [...fetch.wants] : [],
        )
        expect(new Set(busy).size).toBe(busy.length)
        for (const peer of machine.state.peers.values()) {
          if (!peer.isConnected || peer.fetch !== undefined) continue
          for (const want of peer.unknown) {
            const isComing = busy.includes(want)
            const isWaiting = peer.waitUntilMs > machine.nowMs
            expect(isComing || isWaiting).toBe(true)
            expect(wakeMs).toBeLessThan(Infinity)
          }
        }
      }
      for (const move of list) {
        if (move.move === 'connect') take(machine.take({ type: 'peer-connected', peer: move.peer }))
        else if (move.move === 'gone') take(machine.take({ type: 'peer-gone', peer: move.peer }))
        else if (move.move === 'tell') take(machine.tell(move.peer, ...move.unknown))
        else if (move.move === 'end') take(machine.end(move.peer, move.outcome))
        else if (move.move === 'arrive') take(machine.take({ type: 'arrived', commits: [move.commit] }))
        else take(machine.after(move.ms))
      }
    }),
  )
})
