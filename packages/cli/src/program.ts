import { Command } from 'commander'
import { addCompact } from './commands/compact.ts'
import { addConflicts } from './commands/conflicts.ts'
import { addConfig } from './commands/config.ts'
import { addCount } from './commands/count.ts'
import { addDel } from './commands/del.ts'
import { addDoctor } from './commands/doctor.ts'
import { addDiff } from './commands/diff.ts'
import { addDown } from './commands/down.ts'
import { addDrop } from './commands/drop.ts'
import { addExport } from './commands/export.ts'
import { addFlush } from './commands/flush.ts'
import { addGet } from './commands/get.ts'
import { addImport } from './commands/import.ts'
import { addInit } from './commands/init.ts'
import { addInsert } from './commands/insert.ts'
import { addLog } from './commands/log.ts'
import { addLs } from './commands/ls.ts'
import { addOffline } from './commands/offline.ts'
import { addOnline } from './commands/online.ts'
import { addPatch } from './commands/patch.ts'
import { addPeers } from './commands/peers.ts'
import { addPut } from './commands/put.ts'
import { addRefs } from './commands/refs.ts'
import { addShow } from './commands/show.ts'
import { addStatus } from './commands/status.ts'
import { addSync } from './commands/sync.ts'
import { addUp } from './commands/up.ts'
import { addVersion } from './commands/version.ts'
import { addWatch } from './commands/watch.ts'
import type { Io } from './io.ts'
import { packageVersion } from './version.ts'

const commands = [
  addInit,
  addUp,
  addDown,
  addStatus,
  addPut,
  addPatch,
  addGet,
  addCount,
  addDel,
  addDrop,
  addInsert,
  addLs,
  addLog,
  addConflicts,
  addShow,
  addDiff,
  addRefs,
  addWatch,
  addImport,
  addExport,
  addPeers,
  addSync,
  addFlush,
  addCompact,
  addConfig,
  addDoctor,
  addOffline,
  addOnline,
  addVersion,
]

const epilogue = `
Data goes to stdout, words to stderr; - reads stdin. A value that begins with a dash goes after --.
Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict, 5 node not running, 6 timed out, 7 not allowed.`

/** The whole command line. Nothing in it exits the process or writes anywhere but to `io`. */
export async function buildProgram(io: Io): Promise<Command> {
  const program = new Command('atoll')
    .description('A peer-to-peer, offline-first, multi-writer database on git.')
    .option('--data <directory>', 'data directory (environment: ATOLL_DATA; default: ./atoll)')
    .option('--json', 'machine-readable output')
    .version(await packageVersion(), '--version')
    .addHelpText('after', epilogue)
  program.exitOverride()
  program.configureOutput({
    writeOut: text => io.stdout.write(text),
    writeErr: text => io.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'atoll: ')),
  })
  program.configureHelp({ showGlobalOptions: true })
  program.showSuggestionAfterError()
  for (const add of commands) add(program, io)
  return program
}
