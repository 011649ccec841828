import { AtollError, invalid } from '@atolldb/core/errors'
import type { Client, SettingsChange } from '@atolldb/client'
import { Option, type Command } from 'commander'
import { hasCode } from '../failures.ts'
import { decodeText, readBytesArgument, readJsonArgument } from '../input.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { resolveKind } from '../kinds.ts'
import { printable, printableJson } from '../output.ts'

interface CollectionOptions {
  readonly list?: boolean
  readonly policy?: string
  readonly schema?: string
  readonly unset?: string[]
}

export function addConfig(program: Command, io: Io): void {
  const config = program.command('config').description('settings of collections, and merge scripts')
  config
    .command('collection')
    .description('print the settings of a collection, or change them')
    .argument('<collection>')
    .option('--list', 'of the List of that name')
    .option('--policy <policy>', 'fields, latest, keep or script:<name>')
    .option('--schema <json>', 'JSON Schema that values must follow: itself, or a file of it (- for stdin)')
    .addOption(new Option('--unset <setting...>', 'take settings away').choices(['policy', 'schema']))
    .action(async (collection: string, options: CollectionOptions, command: Command) => {
      const { out, ...invocation } = invocationOf(command, io)
      const change = await readChange(options, io)
      await withConnection({ out, ...invocation }, async ({ client }) => {
        const kind = await resolveKind(client, collection, options.list)
        const settings =
          Object.keys(change).length === 0
            ? await client.settings(collection, { kind })
            : await client.configure(collection, change, { kind })
        if (out.json) await out.object({ schema: 'atoll/settings/v1', collection, kind, settings })
        else await out.line(printableJson(settings, 2))
      })
    })
  config
    .command('script')
    .description('list merge scripts, print one, or set one from a file')
    .argument('[name]')
    .argument('[file]', 'JavaScript (- for stdin): (base, versions) => value')
    .option('--delete', 'delete it')
    .action(
      async (name: string | undefined, file: string | undefined, options: { delete?: boolean }, command: Command) => {
        const invocation = invocationOf(command, io)
        const { out } = invocation
        if (options.delete === true && (name === undefined || file !== undefined))
          throw invalid('config script', '--delete takes the name of a script')
        const source = file === undefined ? undefined : decodeText(await readBytesArgument(file, io), 'script')
        await withConnection(invocation, async ({ client }) => {
          const { scripts } = client
          if (name === undefined) {
            for (const each of await scripts.list())
              await (out.json ? out.object({ schema: 'atoll/script/v1', name: each }) : out.line(printable(each)))
          } else if (options.delete === true) {
            if (!(await scripts.delete(name))) throw missing(name)
            out.note(`deleted ${printable(name)}`)
            for (const collection of await collectionsOfScript(client, name))
              out.note(
                `${printable(collection)} still has the policy script:${name}: what conflicts there is contested from now on; change that with: atoll config collection ${printable(collection)} --unset policy`,
              )
          } else if (source !== undefined) {
            await scripts.put(name, source)
            if (out.json) await out.object({ schema: 'atoll/script/v1', name })
            else out.note(`set ${printable(name)}; next: atoll config collection <collection> --policy script:${name}`)
          } else {
            const found = await scripts.get(name)
            if (found === undefined) throw missing(name)
            await (out.json ? out.object({ schema: 'atoll/script/v1', name, source: found }) : out.line(found))
          }
        })
      },
    )
}

/** The Objects whose policy it is, as far as they were ever committed. */
async function collectionsOfScript(client: Client, script: string): Promise<string[]> {
  const names: string[] = []
  try {
    const then = await client.at((await client.flush()).commit)
    for await (const [id, settings] of then
      .object<{ readonly policy?: unknown } | null>('.atoll.collections')
      .entries())
      if (settings?.policy === `script:${script}`) names.push(id.replace(/^objects\//, ''))
  } catch (error) {
    // Nothing can be committed yet: then it is not known.
    if (!hasCode(error, 'NO_CLUSTER')) throw error
  }
  return names
}

/** Whether a policy is one is for the node to say. @throws INVALID */
async function readChange({ policy, schema, unset = [] }: CollectionOptions, io: Io): Promise<SettingsChange> {
  const isFile = schema !== undefined && schema !== '-' && !schema.trimStart().startsWith('{')
  const text = isFile ? decodeText(await readBytesArgument(schema, io), 'schema') : schema
  return {
    ...Object.fromEntries(unset.map(setting => [setting, null])),
    ...(policy === undefined ? {} : { policy }),
    ...(text === undefined ? {} : { schema: await readJsonArgument(text, io) }),
  }
}

function missing(name: string): AtollError<'MISSING'> {
  return new AtollError('MISSING', `there is no script ${name}`, { what: 'script', id: name })
}
