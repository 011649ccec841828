import { invalid } from '@atolldb/core/errors'
import type { Written } from '@atolldb/client'
import type { Command } from 'commander'
import { readBytesArgument, readJsonArgument } from '../input.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { checkKind } from '../kinds.ts'
import { printableId, type Output } from '../output.ts'

interface PutOptions {
  readonly bytes?: string
  readonly create?: boolean
  readonly update?: boolean
  readonly ifVersion?: string
}

export function addPut(program: Command, io: Io): void {
  program
    .command('put')
    .description('create or replace a record of an Object collection; prints its version')
    .argument('<collection>')
    .argument('<id>')
    .argument('[value]', 'JSON, or - for stdin')
    .option('--bytes <file>', 'store the bytes of a file instead (- for stdin)')
    .option('--create', 'only if it does not exist')
    .option('--update', 'only if it exists')
    .option('--if-version <version>', 'only if this is its version')
    .action(
      async (collection: string, id: string, value: string | undefined, options: PutOptions, command: Command) => {
        const invocation = invocationOf(command, io)
        const { bytes, create, update, ifVersion } = options
        if ((value === undefined) === (bytes === undefined))
          throw invalid('put', 'takes a JSON value or --bytes <file>')
        if (create === true && (update === true || ifVersion !== undefined))
          throw invalid('put', '--create excludes --update and --if-version')
        const content =
          bytes === undefined ? await readJsonArgument(value ?? '', io) : await readBytesArgument(bytes, io)
        await withConnection(invocation, async ({ client }) => {
          await checkKind(client, collection, 'objects')
          const objects = client.object<unknown>(collection)
          const condition = ifVersion === undefined ? {} : { ifVersion }
          const written =
            create === true
              ? await objects.create(id, content)
              : await objects[update === true ? 'update' : 'put'](id, content, condition)
          await printWritten(invocation.out, collection, written)
        })
      },
    )
}

export async function printWritten(out: Output, collection: string, { id, version }: Written): Promise<void> {
  if (out.json) return out.object({ schema: 'atoll/written/v1', collection, id, version })
  await out.line(out.pretty ? `${collection}/${printableId(id)} ${out.dim(version)}` : version)
}
