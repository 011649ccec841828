import { CommanderError } from 'commander'
import { codeToExitCode, EXIT_ERROR, EXIT_USAGE } from './exit-codes.ts'
import { errorToFailure, failureHint } from './failures.ts'
import { ImportStopped } from './import/import-stopped.ts'
import type { Io } from './io.ts'
import { printable } from './output.ts'
import { buildProgram } from './program.ts'

/** Runs one command line (without `node` and the script) and resolves with its exit code. Never rejects. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  try {
    await (await buildProgram(args, io)).parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    return reportError(error, io)
  }
}

function reportError(error: unknown, io: Io): number {
  // Commander has already said what was wrong, or shown the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  const cause = error instanceof ImportStopped ? error.cause : error
  const failure = errorToFailure(cause)
  if (failure === undefined) {
    io.stderr.write(
      `atoll: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return EXIT_ERROR
  }
  const message = error instanceof ImportStopped ? error.message : failure.message
  io.stderr.write(`atoll: ${printable(message)} (${failure.code})\n`)
  const hint = error instanceof ImportStopped ? error.hint : failureHint(failure)
  if (hint !== undefined) io.stderr.write(`hint: ${printable(hint)}\n`)
  return codeToExitCode(failure.code)
}
