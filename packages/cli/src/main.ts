import { processIo } from './io.ts'
import { runCli } from './run-cli.ts'

/** The `atoll` command of this process. */
export async function main(): Promise<void> {
  // A reader that has seen enough (`atoll ls … | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  process.exitCode = await runCli(process.argv.slice(2), processIo())
}
