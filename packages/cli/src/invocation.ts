import type { Command } from 'commander'
import { connect, type Connection } from './connection.ts'
import type { Io } from './io.ts'
import { Output } from './output.ts'

/** One run of a command: where, and how it speaks. */
export interface Invocation {
  readonly io: Io
  readonly out: Output
  /** The data directory. */
  readonly directory: string
}

const DEFAULT_DIRECTORY = './atoll'

/** What each command has in common: flags > environment > defaults. */
export function invocationOf(command: Command, io: Io): Invocation {
  const { data, json } = command.optsWithGlobals<{ data?: string; json?: boolean }>()
  const directory = data ?? nonEmpty(io.env['ATOLL_DATA']) ?? DEFAULT_DIRECTORY
  return { io, out: new Output(io, json === true), directory }
}

export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** Runs the work with a client of the node, and lets go of the node afterwards, whatever happens. */
export async function withConnection<R>(
  invocation: Invocation,
  work: (connection: Connection) => Promise<R>,
  options?: { needsRunningNode?: boolean },
): Promise<R> {
  const connection = await connect(invocation.directory, options)
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}
