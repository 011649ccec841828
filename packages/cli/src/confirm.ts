import { createInterface } from 'node:readline/promises'
import type { Io } from './io.ts'

/** Asks a person at a terminal; `y` or `yes` is a yes. Where nobody can answer it is a no, and nothing is asked. */
export async function confirm({ stdin, stderr }: Io, question: string): Promise<boolean> {
  if (stdin.isTTY !== true) return false
  const terminal = createInterface({ input: stdin, output: stderr })
  try {
    // The end of the input is no answer.
    const closed = new Promise<string>(resolve => terminal.once('close', () => resolve('')))
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
