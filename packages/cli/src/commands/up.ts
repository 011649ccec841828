import { AtollError } from '@atolldb/core/errors'
import type { Log, OpenOptions } from 'atolldb'
import type { Command } from 'commander'
import { findRunningNode } from '../connection.ts'
import { shellWord } from '../failures.ts'
import { invocationOf } from '../invocation.ts'
import type { Io } from '../io.ts'
import { printable, type Output } from '../output.ts'
import { parseHttpAddress, readUpSettings, type UpSettings } from '../settings.ts'
import { addUpFlags, upFlags } from './up-flags.ts'

const DEFAULT_HTTP = '127.0.0.1:0'
/** A command that has the directory open for the moment lets go of it within this time. */
const LOCK_WAIT_MS = 5_000

export function addUp(program: Command, io: Io): void {
  addUpFlags(program.command('up'))
    .description('run the node in the foreground, until atoll down, Ctrl-C or SIGTERM')
    .action(async (_options: unknown, command: Command) => {
      const { directory, out } = invocationOf(command, io)
      const settings = await readUpSettings(directory, upFlags(command), io.env)
      await checkNotRunning(directory)
      const ended = endRequest(io)
      try {
        await run(directory, settings, { out, io, ended })
      } finally {
        ended.forget()
      }
    })
}

/** @throws LOCKED */
async function checkNotRunning(directory: string): Promise<void> {
  const running = await findRunningNode(directory)
  if (running === undefined) return
  const { pid, url } = running
  throw new AtollError('LOCKED', `a node runs on ${directory} already: process ${pid}, door ${url}`, {
    directory,
    pid,
    door: url,
  })
}

interface EndRequest {
  readonly promise: Promise<void>
  request(): void
  forget(): void
}

function endRequest(io: Io): EndRequest {
  let request = (): void => undefined
  const promise = new Promise<void>(resolve => (request = resolve))
  return { promise, request, forget: io.onEndSignal(request) }
}

async function run(
  directory: string,
  settings: UpSettings,
  { out, io, ended }: { out: Output; io: Io; ended: EndRequest },
): Promise<void> {
  const events = createEvents(out, io)
  const [{ open }, { serve }] = await Promise.all([import('atolldb'), import('@atolldb/server')])
  const db = await open(directory, {
    ...openOptions(settings),
    resume: true,
    lockWaitMs: LOCK_WAIT_MS,
    log: events.log,
  })
  try {
    const { host, port } = parseHttpAddress(settings.http ?? DEFAULT_HTTP)
    const door = await serve(db, { directory, host, port, log: events.log, onShutdown: () => ended.request() })
    try {
      const { addresses } = await db.status()
      await events.ready({ directory, node: db.node, name: db.name, addresses, http: door.url, cluster: db.cluster })
      await ended.promise
      await events.ending()
    } finally {
      await door.close()
    }
  } finally {
    await db.close()
  }
}

function openOptions({ name, listen, bootstrap, cluster, durability }: UpSettings): OpenOptions {
  const all = { name, listen, bootstrap, cluster, durability }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

interface Ready {
  readonly directory: string
  readonly node: string
  readonly name: string
  readonly addresses: readonly string[]
  readonly http: string
  readonly cluster: string | undefined
}

/** What happens, told to a person on a terminal, or as JSON lines to whatever reads stdout. */
interface Events {
  readonly log: Log
  ready(ready: Ready): Promise<void>
  ending(): Promise<void>
}

function createEvents(out: Output, io: Io): Events {
  return out.pretty ? eventsForPeople(out) : eventsAsJson(out, io)
}

function eventsAsJson(out: Output, io: Io): Events {
  const emit = (event: object): void => {
    io.stdout.write(`${JSON.stringify({ schema: 'atoll/event/v1', ...event })}\n`)
  }
  return {
    log: (level, message, fields) => {
      if (level !== 'debug') emit({ event: 'log', time: new Date().toISOString(), level, message, ...fields })
    },
    ready: ({ directory: _directory, cluster, ...ready }) =>
      out.object({ schema: 'atoll/event/v1', event: 'ready', message: 'ready', ...ready, cluster: cluster ?? null }),
    ending: () => out.object({ schema: 'atoll/event/v1', event: 'ending' }),
  }
}

function eventsForPeople(out: Output): Events {
  return {
    log: (level, message) => {
      if (level !== 'debug') out.note(printable(level === 'info' ? message : `${level}: ${message}`))
    },
    async ready({ directory, node, name, addresses, http, cluster }) {
      const data = `--data ${shellWord(directory)}`
      await out.line(`${out.green('●')} ${out.bold(printable(name))} is up`)
      await out.line(`  node     ${node}`)
      await out.line(`  cluster  ${cluster ?? 'not met yet: it is learnt from the first peer'}`)
      await out.line(`  data     ${directory}`)
      await out.line(`  http     ${http}`)
      for (const [i, address] of addresses.entries()) await out.line(`  ${i === 0 ? 'address' : '       '}  ${address}`)
      const [address] = addresses
      if (address === undefined) out.note('others cannot reach it: --listen /ip4/0.0.0.0/tcp/4001 opens an address')
      else out.note(`join from elsewhere: atoll up --bootstrap ${address}`)
      out.note(`try: atoll ${data} put farms north '{"crop":"rye"}'      end: Ctrl-C, or atoll ${data} down`)
    },
    ending: () => Promise.resolve(out.note('closing')),
  }
}
