import { Command } from 'commander'
import type { Io } from './io.ts'
import { packageVersion } from './version.ts'

/**
 * Where each command is. They are loaded when asked for: starting is most of what a short command costs, and each file that
 * need not be read makes it faster.
 */
const commands = {
  init: async () => (await import('./commands/init.ts')).addInit,
  up: async () => (await import('./commands/up.ts')).addUp,
  down: async () => (await import('./commands/down.ts')).addDown,
  status: async () => (await import('./commands/status.ts')).addStatus,
  put: async () => (await import('./commands/put.ts')).addPut,
  patch: async () => (await import('./commands/patch.ts')).addPatch,
  get: async () => (await import('./commands/get.ts')).addGet,
  count: async () => (await import('./commands/count.ts')).addCount,
  del: async () => (await import('./commands/del.ts')).addDel,
  drop: async () => (await import('./commands/drop.ts')).addDrop,
  insert: async () => (await import('./commands/insert.ts')).addInsert,
  ls: async () => (await import('./commands/ls.ts')).addLs,
  log: async () => (await import('./commands/log.ts')).addLog,
  conflicts: async () => (await import('./commands/conflicts.ts')).addConflicts,
  at: async () => (await import('./commands/at.ts')).addAt,
  show: async () => (await import('./commands/show.ts')).addShow,
  diff: async () => (await import('./commands/diff.ts')).addDiff,
  refs: async () => (await import('./commands/refs.ts')).addRefs,
  watch: async () => (await import('./commands/watch.ts')).addWatch,
  import: async () => (await import('./commands/import.ts')).addImport,
  export: async () => (await import('./commands/export.ts')).addExport,
  peers: async () => (await import('./commands/peers.ts')).addPeers,
  sync: async () => (await import('./commands/sync.ts')).addSync,
  flush: async () => (await import('./commands/flush.ts')).addFlush,
  compact: async () => (await import('./commands/compact.ts')).addCompact,
  config: async () => (await import('./commands/config.ts')).addConfig,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  offline: async () => (await import('./commands/offline.ts')).addOffline,
  online: async () => (await import('./commands/online.ts')).addOnline,
  version: async () => (await import('./commands/version.ts')).addVersion,
} satisfies Record<string, () => Promise<(program: Command, io: Io) => void>>

const epilogue = `
Data goes to stdout, words to stderr; - reads stdin. A value that begins with a dash goes after --.
Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict, 5 node not running, 6 timed out, 7 not allowed.`

/** The command line for these arguments. Nothing in it exits the process or writes anywhere but to `io`. */
export async function buildProgram(args: readonly string[], io: Io): Promise<Command> {
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
  for (const add of await loadCommands(args)) add(program, io)
  return program
}

/** The command that the arguments name, alone; all of them for help, and to suggest one where the name is none. */
function loadCommands(args: readonly string[]): Promise<((program: Command, io: Io) => void)[]> {
  const named = commandName(args)
  const wanted =
    named !== undefined && Object.hasOwn(commands, named)
      ? [commands[named as keyof typeof commands]]
      : Object.values(commands)
  return Promise.all(wanted.map(load => load()))
}

/** The first argument that is neither an option of the program nor the value of one. */
function commandName(args: readonly string[]): string | undefined {
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] as string
    if (argument === '--help' || argument === '-h') return undefined
    if (argument === '--data') i++
    else if (!argument.startsWith('-')) return argument
  }
  return undefined
}
