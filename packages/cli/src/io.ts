import type { Readable, Writable } from 'node:stream'

/** What the command takes from its process; tests hand in their own. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Calls back when the process is asked to end. Returns the undo. */
  onEndSignal(listener: () => void): () => void
}

export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onEndSignal(listener) {
      const signals = ['SIGINT', 'SIGTERM'] as const
      for (const signal of signals) process.once(signal, listener)
      return () => {
        for (const signal of signals) process.off(signal, listener)
      }
    },
  }
}
