import type { Writable } from 'node:stream'
import { processIo } from './io.ts'
import { runCli } from './run-cli.ts'

/** The `atoll` command of this process. */
export async function main(): Promise<void> {
  // A reader that has seen enough (`atoll ls … | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  const exitCode = await runCli(process.argv.slice(2), processIo())
  await Promise.all([flushed(process.stdout), flushed(process.stderr)])
  // Nothing is under way any more; the platform would still wait for the HTTP parser that `fetch` has compiled in the background.
  process.exit(exitCode)
}

/** Resolves once everything written is out, or cannot be. */
function flushed(stream: Writable): Promise<void> {
  return new Promise(resolve => stream.write('', () => resolve()))
}
