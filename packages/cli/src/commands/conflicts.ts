import type { Client, Conflict, ConflictOutcome, ConflictTarget } from '@atolldb/client'
import { AtollError, invalid } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { conflictJson, conflictLines, conflictRow } from '../conflict-lines.ts'
import { parseWhole } from '../durations.ts'
import { readBytesArgument, readJsonArgument } from '../input.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { resolveKind } from '../kinds.ts'
import { printableId, tableLines, type Output } from '../output.ts'

interface ListOptions {
  readonly collection?: string
  readonly list?: boolean
  readonly all?: boolean
  readonly limit?: string
}

interface ResolveOptions {
  readonly list?: boolean
  readonly ours?: boolean
  readonly theirs?: boolean
  readonly chosen?: boolean
  readonly commit?: string
  readonly value?: string
  readonly bytes?: string
  readonly delete?: boolean
  readonly ifVersion?: string
}

export function addConflicts(program: Command, io: Io): void {
  const conflicts = program
    .command('conflicts')
    .description('list the records where something that someone wrote had to give way')
    .argument('[list...]', 'what it does without a word')
    .option('--collection <name>', 'of this collection only')
    .option('--list', 'of Lists only')
    .option('--all', 'also those that were merged without loss')
    .option('--limit <n>', 'at most so many')
    .action(async (words: readonly string[], options: ListOptions, command: Command) => {
      const isList = words.length === 0 || (words.length === 1 && words[0] === 'list')
      if (!isList)
        throw invalid(
          'conflicts',
          `${words.join(' ')}: take show <collection> <id>, resolve <collection> <id>, or list`,
        )
      const invocation = invocationOf(command, io)
      const { collection, list, all, limit } = options
      const wanted = {
        ...(collection === undefined ? {} : { collection }),
        ...(list === true ? { kind: 'lists' as const } : {}),
        ...(limit === undefined ? {} : { limit: parseWhole(limit, 'limit') }),
        all: all === true,
      }
      await withConnection(invocation, ({ client }) => listConflicts(client.conflicts(wanted), invocation.out))
    })

  conflicts
    .command('show')
    .description('what a record in conflict was before, what each node made of it, and what it is meanwhile')
    .argument('<collection>')
    .argument('<id>')
    .option('--list', 'of the List of that name')
    .action(async (collection: string, id: string, options: { list?: boolean }, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const conflict = await find(client, collection, id, listFlag(options, command))
        if (out.json) return out.object({ schema: 'atoll/conflict/v1', ...conflictJson(conflict) })
        for (const line of conflictLines(conflict, out)) await out.line(line)
      })
    })

  conflicts
    .command('resolve')
    .description('settle the conflict of a record; prints its version')
    .argument('<collection>')
    .argument('<id>')
    .option('--list', 'of the List of that name')
    .option('--ours', 'by what this node wrote')
    .option('--theirs', 'by what the other node wrote, where there are two versions')
    .option('--chosen', 'by what it is meanwhile')
    .option('--commit <id>', 'by what this commit wrote')
    .option('--value <json>', 'by another value (- for stdin)')
    .option('--bytes <file>', 'by the bytes of a file (- for stdin)')
    .option('--delete', 'by deleting it')
    .option('--if-version <version>', 'only if this is the version of the conflict, as show prints it')
    .action(async (collection: string, id: string, options: ResolveOptions, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const outcome = await readOutcome(options, io)
      const { ifVersion } = options
      await withConnection(invocation, async ({ client }) => {
        const target = await targetOf(client, collection, id, listFlag(options, command))
        const compared = ifVersion === undefined ? target : { ...target, version: ifVersion }
        const { version } = await client.conflicts().resolve(compared, outcome)
        if (out.json) return out.object({ schema: 'atoll/conflict-resolved/v1', ...target, version: version ?? null })
        if (version !== undefined) await out.line(version)
        out.note(`settled: ${collection}/${printableId(id)}${version === undefined ? ' is deleted' : ''}`)
      })
    })
}

/** The parent command knows the same flag, and takes it wherever it stands. */
function listFlag({ list }: { readonly list?: boolean }, command: Command): boolean {
  return list ?? command.optsWithGlobals<{ list?: boolean }>().list ?? false
}

/** Exactly one way out. @throws INVALID */
async function readOutcome(options: ResolveOptions, io: Io): Promise<ConflictOutcome> {
  const { ours, theirs, chosen, commit, value, bytes } = options
  const given = [ours, theirs, chosen, commit, value, bytes, options.delete].filter(option => option !== undefined)
  if (given.length !== 1)
    throw invalid('resolve', 'takes one of --ours, --theirs, --chosen, --commit, --value, --bytes, --delete')
  if (commit !== undefined) return { commit }
  if (value !== undefined) return { value: await readJsonArgument(value, io) }
  if (bytes !== undefined) return { value: await readBytesArgument(bytes, io) }
  if (options.delete === true) return { delete: true }
  return { take: ours === true ? 'ours' : theirs === true ? 'theirs' : 'chosen' }
}

async function targetOf(client: Client, collection: string, id: string, list: boolean): Promise<ConflictTarget> {
  return { kind: await resolveKind(client, collection, list), collection, id }
}

/** @throws MISSING */
async function find(client: Client, collection: string, id: string, list: boolean): Promise<Conflict> {
  const conflict = await client.conflicts().get(await targetOf(client, collection, id, list))
  if (conflict !== undefined) return conflict
  throw new AtollError('MISSING', `${collection}/${printableId(id)} is in no conflict`, { what: 'conflict', id })
}

async function listConflicts(conflicts: AsyncIterable<Conflict>, out: Output): Promise<void> {
  const rows: string[][] = []
  let first: Conflict | undefined
  for await (const conflict of conflicts) {
    first ??= conflict
    if (out.json) await out.object({ schema: 'atoll/conflict/v1', ...conflictJson(conflict) })
    else rows.push(conflictRow(conflict))
  }
  for (const line of tableLines(rows)) await out.line(line)
  if (out.json) return
  if (first === undefined) out.note('none')
  else out.note(`look at one with: atoll conflicts show ${first.collection} ${printableId(first.id)}`)
}
