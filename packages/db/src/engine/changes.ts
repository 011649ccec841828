/** Tells listeners that something has changed; what, they look up themselves. */
export class Changes {
  readonly #listeners = new Set<() => void>()

  /** Returns the undo. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
