import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { findRunningNode } from '../connection.ts'
import { shellWord } from '../failures.ts'
import { invocationOf } from '../invocation.ts'
import type { Io } from '../io.ts'
import { CONFIG_FILE, CONFIG_SCHEMA, readUpSettings } from '../settings.ts'
import { addUpFlags, upFlags } from './up-flags.ts'

export function addInit(program: Command, io: Io): void {
  addUpFlags(program.command('init'))
    .description('make a data directory with a node and a new cluster; the flags given are kept in its config.json')
    .action(async (_options: unknown, command: Command) => {
      const { directory, out } = invocationOf(command, io)
      const flags = upFlags(command)
      const running = await findRunningNode(directory)
      if (running !== undefined) return out.note(`${directory} is a node already, and runs (process ${running.pid})`)
      const settings = await readUpSettings(directory, flags, io.env)
      const { open } = await import('atolldb')
      const { name, bootstrap, cluster } = settings
      const db = await open(directory, {
        ...(name === undefined ? {} : { name }),
        // With these the node joins a cluster instead of making one.
        ...(bootstrap === undefined ? {} : { bootstrap }),
        ...(cluster === undefined ? {} : { cluster }),
      })
      const node = { node: db.node, name: db.name, cluster: db.cluster ?? null }
      await db.close()
      if (Object.keys(flags).length > 0) await writeConfig(directory, flags)
      if (out.json) return out.object({ schema: 'atoll/init/v1', ...node })
      await out.line(node.node)
      out.note(`${node.name} is ready in ${directory}, cluster ${node.cluster ?? 'to be met'}`)
      out.note(`next: atoll --data ${shellWord(directory)} up`)
    })
}

async function writeConfig(directory: string, settings: object): Promise<void> {
  await mkdir(directory, { recursive: true })
  const text = `${JSON.stringify({ $schema: CONFIG_SCHEMA, ...settings }, undefined, 2)}\n`
  await writeFile(join(directory, CONFIG_FILE), text)
}
