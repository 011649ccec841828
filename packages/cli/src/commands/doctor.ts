import { AtollError, invalid } from '@atolldb/core/errors'
import type { Diagnosis, Finding } from 'atolldb'
import type { Command } from 'commander'
import { type Invocation, invocationOf } from '../invocation.ts'
import type { Io } from '../io.ts'
import { count, printable } from '../output.ts'
import { startProgressBar } from '../progress-bar.ts'
import { collect } from './up-flags.ts'

/** How long to wait for another command to let go of the directory. */
const LOCK_WAIT_MS = 5_000

export function addDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('look for damage in the data directory of a node that is not running; exit code 1 if there is any')
    .option('--repair', 'mend what can be mended; what was damaged is kept in damaged/')
    .option(
      '--from <path|address>',
      'with --repair: data directory of another node, a clone, or what git can fetch from, to take from what is missing',
    )
    .option(
      '--bootstrap <multiaddr>',
      'with --repair: address of a peer to fetch what is missing from, beside those it remembers (repeatable)',
      collect,
    )
    .option('--new-identity', 'with --repair: where the key is damaged, become a new node')
    .option('--rebuild', 'throw the view away, so that it is made anew')
    .option('--reclock', "seal this node's commits again whose clocks are ahead, so that others hold them back no more")
    .option('--without-others', 'with --reclock: leave out commits of other nodes that are ahead too')
    .action(async (options: DoctorOptions, command: Command) => {
      const invocation = invocationOf(command, io)
      checkOptions(options)
      if (options.reclock === true) return reclockHere(options, invocation)
      if (options.repair === true) return repairHere(options, invocation)
      const { directory, out } = invocation
      const { diagnose, rebuild } = await import('atolldb')
      if (options.rebuild === true) await rebuild(directory, { lockWaitMs: LOCK_WAIT_MS })
      const diagnosis = await withBar(invocation, onProgress =>
        diagnose(directory, { lockWaitMs: LOCK_WAIT_MS, onProgress }),
      )
      if (out.json) await out.object({ schema: 'atoll/doctor/v1', ...diagnosis })
      else await printFindings(diagnosis.findings, invocation)
      concluded(diagnosis, invocation)
    })
}

interface DoctorOptions {
  readonly repair?: boolean
  readonly from?: string
  readonly bootstrap?: string[]
  readonly newIdentity?: boolean
  readonly rebuild?: boolean
  readonly reclock?: boolean
  readonly withoutOthers?: boolean
}

/** @throws INVALID */
function checkOptions({ repair, rebuild, reclock, ...options }: DoctorOptions): void {
  if ([repair, rebuild, reclock].filter(asked => asked === true).length > 1)
    throw invalid('options', 'one of --repair, --rebuild and --reclock at a time')
  const { from, bootstrap, newIdentity, withoutOthers } = options
  if (repair !== true && (from !== undefined || bootstrap !== undefined || newIdentity === true))
    throw invalid('options', '--from, --bootstrap and --new-identity go with --repair')
  if (reclock !== true && withoutOthers === true) throw invalid('options', '--without-others goes with --reclock')
}

async function reclockHere({ withoutOthers = false }: DoctorOptions, { directory, out }: Invocation): Promise<void> {
  const { reclock } = await import('atolldb')
  const done = await reclock(directory, { lockWaitMs: LOCK_WAIT_MS, withoutOthers })
  if (out.json) return out.object({ schema: 'atoll/reclock/v1', ...done })
  const { resealed, leftOut, ref } = done
  if (ref === undefined) return out.note('nothing to do: no commit is ahead of the clock of this machine')
  for (const { from, to } of resealed) await out.line(`${from} is ${to ?? 'in what is there already'}`)
  for (const id of leftOut) await out.line(`${id} left out`)
  out.note(`${count(resealed.length, 'commit')} sealed again; what was before is kept as ${ref}`)
}

async function repairHere(
  { from, bootstrap, newIdentity = false }: DoctorOptions,
  invocation: Invocation,
): Promise<void> {
  const { directory, out } = invocation
  const { repair } = await import('atolldb')
  const options = {
    lockWaitMs: LOCK_WAIT_MS,
    newIdentity,
    ...(from === undefined ? {} : { from }),
    ...(bootstrap === undefined ? {} : { bootstrap }),
  }
  const { done, lost, before, after } = await withBar(invocation, onProgress =>
    repair(directory, { ...options, onProgress }),
  )
  if (out.json) await out.object({ schema: 'atoll/repair/v1', before, done, lost, after })
  else {
    for (const line of done) await out.line(`done: ${printable(line)}`)
    for (const line of lost) await out.line(out.yellow(`lost: ${printable(line)}`))
    await printFindings(after.findings, invocation)
  }
  concluded(after, invocation)
}

type OnProgress = (progress: { check: string; done: number; total: number }) => void

async function withBar<Result>(
  { io, out }: Invocation,
  work: (onProgress: OnProgress) => Promise<Result>,
): Promise<Result> {
  let bar = startProgressBar(io, { unit: '', quiet: out.json })
  let current = ''
  try {
    return await work(({ check, done, total }) => {
      if (check !== current) {
        bar.stop()
        bar = startProgressBar(io, { unit: units[check] ?? '', quiet: out.json })
        current = check
      }
      bar.advance(done, total, done)
    })
  } finally {
    bar.stop()
  }
}

const units: Readonly<Record<string, string>> = { pack: 'packs', graph: 'commits', view: 'records' }

async function printFindings(findings: readonly Finding[], { out }: Invocation): Promise<void> {
  for (const { file, reason, repair } of findings) {
    await out.line(`${printable(file)}: ${printable(reason)}`)
    await out.line(out.dim(`  mend: ${printable(repair)}`))
  }
}

/** @throws CORRUPT where there is damage, for the exit code and the next step */
function concluded({ directory, findings, checked }: Diagnosis, { out }: Invocation): void {
  const [first] = findings
  if (first === undefined) {
    const { packs, objects, commits, records } = checked
    const what = [count(packs, 'pack'), count(objects, 'object'), count(commits, 'commit'), count(records, 'record')]
    return out.note(`nothing is damaged: ${what.join(', ')}`)
  }
  const reason = findings.length === 1 ? 'it is damaged' : `it is damaged in ${findings.length} places`
  throw new AtollError('CORRUPT', `${directory}: ${reason}`, { file: directory, reason, repair: first.repair })
}
