/** Changes that may wait for the view or for a commit before writers have to wait too. */
export const MAX_WAITING_BYTES = 48 * 1024 * 1024

/** Back-pressure: where writers wait until there is room, or none is to be had. */
export class Room {
  #promise: Promise<void> | undefined
  #resolve: () => void = () => undefined

  isFull(waitingBytes: number, tableBytes: number): boolean {
    return waitingBytes > MAX_WAITING_BYTES || tableBytes > MAX_WAITING_BYTES
  }

  /** Resolves at the next `open`; whoever waited looks again. */
  wait(): Promise<void> {
    this.#promise ??= new Promise(resolve => (this.#resolve = resolve))
    return this.#promise
  }

  open(): void {
    this.#promise = undefined
    this.#resolve()
  }
}
