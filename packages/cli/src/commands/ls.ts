import type { Client, RangeOptions } from '@atolldb/client'
import type { Command } from 'commander'
import { valueJson, valueText } from '../change-lines.ts'
import { parseWhole } from '../durations.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { printableId, tableLines, type Output } from '../output.ts'
import { readerOf, type ReaderFlags } from '../readers.ts'

interface LsOptions extends ReaderFlags {
  readonly from?: string
  readonly to?: string
  readonly limit?: string
  readonly reverse?: boolean
}

/** Ids are aligned by the first rows, so that a long range starts to print at once. */
const ALIGNED_ROWS = 100

export function addLs(program: Command, io: Io): void {
  program
    .command('ls')
    .description('list the records of a collection in the order of their ids, or the collections')
    .argument('[collection]')
    .option('--list', 'of the List of that name')
    .option('--at <commit>', 'as it was then: an id, a ref, a moment like @{2 hours ago}')
    .option('--from <id>', 'begin with this id')
    .option('--to <id>', 'end before this id')
    .option('--limit <n>', 'at most so many')
    .option('--reverse', 'from the last to the first')
    .action(async (collection: string | undefined, options: LsOptions, command: Command) => {
      const invocation = invocationOf(command, io)
      const range = readRange(options)
      await withConnection(invocation, async ({ client }) => {
        if (collection === undefined) return listCollections(client, invocation.out)
        const { records } = await readerOf(client, collection, options)
        return listRecords(records.entries(range), invocation.out)
      })
    })
}

function readRange({ from, to, limit, reverse }: LsOptions): RangeOptions {
  return {
    ...(from === undefined ? {} : { gte: from }),
    ...(to === undefined ? {} : { lt: to }),
    ...(limit === undefined ? {} : { limit: parseWhole(limit, 'limit') }),
    ...(reverse === undefined ? {} : { reverse }),
  }
}

async function listCollections(client: Client, out: Output): Promise<void> {
  const collections = await client.collections()
  if (out.json) for (const collection of collections) await out.object({ schema: 'atoll/collection/v1', ...collection })
  else if (collections.length === 0) out.note(`no collections yet; try: atoll put farms north '{"crop":"rye"}'`)
  else {
    const rows = collections.map(({ name, kind, records }) => [
      name,
      kind === 'objects' ? 'Object' : 'List',
      `${records}`,
    ])
    for (const line of tableLines(rows)) await out.line(line)
  }
}

/** With `--json` each line is `{"id":…,"value":…}` (`bytes`, in base64, for bytes): what `import` takes. */
async function listRecords(entries: AsyncIterable<[string, unknown]>, out: Output): Promise<void> {
  let first: [string, unknown][] | undefined = out.json ? undefined : []
  let width = 0
  const print = async ([id, value]: [string, unknown]): Promise<void> => {
    if (!out.json) return out.line(recordLine(id, value, width, out))
    return out.object({ id, ...valueJson(value) })
  }
  const printFirst = async (): Promise<void> => {
    width = Math.max(0, ...(first ?? []).map(([id]) => printableId(id).length))
    for (const entry of first ?? []) await print(entry)
    first = undefined
  }
  for await (const entry of entries) {
    if (first === undefined) await print(entry)
    else if (first.push(entry) === ALIGNED_ROWS) await printFirst()
  }
  await printFirst()
}

function recordLine(id: string, value: unknown, width: number, out: Output): string {
  const line = `${printableId(id).padEnd(width)}  ${valueText(value)}`
  return out.pretty && line.length > out.columns ? `${line.slice(0, out.columns - 1)}…` : line
}
