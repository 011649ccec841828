import type { Command } from 'commander'
import type { UpSettings } from '../settings.ts'

/** A flag that may be given several times. */
export const collect = (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), value]

/** The settings of a node as flags; `init` keeps them, `up` uses them. */
export function addUpFlags(command: Command): Command {
  return command
    .option('--name <name>', 'what people call this node')
    .option('--listen <multiaddr>', 'address to listen on, e.g. /ip4/0.0.0.0/tcp/4001 (repeatable)', collect)
    .option('--http <host:port>', 'address of the local HTTP door (default: 127.0.0.1 and a free port)')
    .option('--bootstrap <multiaddr>', 'address of a node to join by (repeatable)', collect)
    .option('--cluster <commit>', 'root commit id of the cluster to belong to')
    .option('--durability <mode>', 'acknowledge a write when it survives power loss (sync) or a crash of atoll (os)')
}

/** Those that were given. */
export function upFlags(command: Command): UpSettings {
  const { name, listen, http, bootstrap, cluster, durability } = command.opts<UpSettings>()
  const all = { name, listen, http, bootstrap, cluster, durability }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}
