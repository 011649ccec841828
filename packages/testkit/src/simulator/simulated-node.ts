import type { CommitId, CommitObject, Environment, NodeId } from '@atolldb/core'
import { fakeNodeId } from '../fake-signer.ts'
import { NodeLife } from './node-life.ts'
import type { NodeRules } from './node-rules.ts'
import { NodeSync } from './node-sync.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import type { Frame, Station } from './simulated-network.ts'
import type { World } from './world.ts'

/** A machine: a disk that outlives crashes, a wall clock that may be wrong, and a process that runs or does not. */
export class SimulatedNode implements Station, Environment {
  readonly world: World
  readonly number: number
  readonly id: NodeId
  readonly disk = new SimulatedDisk()
  readonly rules: NodeRules
  /** How far its wall clock is off. */
  skewMs = 0
  isRunning = false
  readonly #random: SeededRandom
  #life: NodeLife | undefined
  #sync: NodeSync | undefined
  /** Of what the running process waits for; undone when it ends. */
  #undos = new Set<() => void>()

  constructor(world: World, number: number) {
    this.world = world
    this.number = number
    this.id = fakeNodeId(number)
    this.rules = world.rules
    this.#random = world.random.fork(`node ${number}`)
  }

  get isUp(): boolean {
    return this.#sync !== undefined
  }

  get life(): NodeLife | undefined {
    return this.#sync === undefined ? undefined : this.#life
  }

  get sync(): NodeSync | undefined {
    return this.#sync
  }

  // --- Environment ---------------------------------------------------------------------------------------------------

  nowMs(): number {
    return Math.floor(this.world.startMs + this.world.timeline.nowMs + this.skewMs)
  }

  monotonicMs(): number {
    return this.world.timeline.nowMs
  }

  randomBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#random.below(256))
  }

  // --- The process ---------------------------------------------------------------------------------------------------

  /** Its start takes a while, and a crash may come before it is over. */
  start(): void {
    this.isRunning = true
    const number = ++this.disk.starts
    this.run('start', async () => {
      const life = await NodeLife.begin(this)
      if (number !== this.disk.starts || !this.isRunning) return
      this.#life = life
      this.#sync = new NodeSync(this, life)
      this.world.trace(this.number, 'is up')
      this.world.network.look()
      life.wakeSealer()
      this.#sync.start()
    })
  }

  stop(isPowerLost: boolean): void {
    this.world.witness.ends(this.number, this.#durableHeads())
    this.isRunning = false
    if (this.#life !== undefined) this.#life.isOver = true
    this.#life = undefined
    this.#sync = undefined
    for (const undo of this.#undos) undo()
    this.#undos = new Set()
    this.disk.stop(this.#random, isPowerLost)
    this.world.trace(this.number, isPowerLost ? 'loses power' : 'is killed')
    this.world.network.look()
  }

  #durableHeads(): readonly CommitId[] {
    const main = this.disk.durableMain
    if (main === undefined) return []
    const { parents } = this.disk.objects.get(main)!.content as CommitObject
    return parents.length > 1 ? parents : [main]
  }

  /** A task of the process. What waits when the process ends waits for ever. A failure fails the simulation. */
  run(what: string, work: () => Promise<void>): void {
    const { starts } = this.disk
    const report = (error: unknown): void => {
      if (starts === this.disk.starts) this.world.fail(`node ${this.number}: ${what} failed`, error)
    }
    work().catch(report)
  }

  /** A timer of the process. Returns the undo. */
  after(delayMs: number, action: () => void): () => void {
    const undoTimer = this.world.timeline.after(delayMs, () => {
      this.#undos.delete(undo)
      action()
    })
    const undo = (): void => {
      undoTimer()
      this.#undos.delete(undo)
    }
    this.#undos.add(undo)
    return undo
  }

  work(ms: number): Promise<void> {
    return ms === 0 ? Promise.resolve() : new Promise(resolve => void this.after(ms, resolve))
  }

  /** The time of a sync of the disk; now and then a long one. */
  diskWork(): Promise<void> {
    return this.work(this.#random.chance(0.05) ? this.#random.between(5, 80) : this.#random.between(0.2, 2))
  }

  sealDelayMs(): number {
    return this.#random.between(...this.world.options.sealDelayMs)
  }

  moved(main: CommitId, cause: 'sealed' | 'adopted'): void {
    this.#sync?.moved(main, cause)
  }

  /** In [0, 1). */
  random(): number {
    return this.#random.next()
  }

  hasDurable(main: CommitId): boolean {
    return this.disk.durableMain === main
  }

  // --- Station -------------------------------------------------------------------------------------------------------

  onPeer(type: 'connected' | 'disconnected', peer: number): void {
    this.#sync?.onPeer(type, peer)
  }

  onGossip(from: number, message: Uint8Array): void {
    this.#sync?.onGossip(from, message)
  }

  onRequest(from: number, protocol: string, request: Uint8Array): AsyncIterable<Frame> {
    // Nobody there: what was on its way finds no answer, and the connection's end is told apart.
    return this.#sync?.onRequest(from, protocol, request) ?? silence()
  }
}

function silence(): AsyncIterable<Frame> {
  return { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }
}
