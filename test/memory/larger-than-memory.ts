import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('worker.mjs', import.meta.url))
/** What docs/operations.md advises for machines with little memory. */
const SMALL_HEAP = ['--max-old-space-size=96', '--max-semi-space-size=4']
const THRIFTY_MALLOC = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072' }

/** The most memory of its own that each node had, in bytes. */
export interface Peaks {
  readonly load: number
  readonly serve: number
  readonly sync: number
}

/** Loads so many records of 64 KiB into a node, and syncs them to another; each in a process of its own (worker.mjs). */
export async function syncLargerThanMemory(records: number): Promise<Peaks> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-memory-'))
  const children: ChildProcess[] = []
  const start = (role: string, name: string, ...rest: string[]): ChildProcess => {
    const command = [...SMALL_HEAP, program, role, join(directory, name), String(records), ...rest]
    const env = { ...process.env, ...THRIFTY_MALLOC }
    const child = spawn(process.execPath, command, { stdio: ['pipe', 'pipe', 'inherit'], env })
    children.push(child)
    return child
  }
  try {
    const load = await peakOf(start('load', 'first'))
    const server = start('serve', 'first')
    const served = peakOf(server)
    const sync = await peakOf(start('sync', 'second', await firstLineOf(server)))
    server.stdin!.end()
    return { load, serve: await served, sync }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function firstLineOf(child: ChildProcess): Promise<string> {
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  return line
}

async function peakOf(child: ChildProcess): Promise<number> {
  let last = ''
  createInterface(child.stdout!).on('line', line => (last = line))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`a node ended with ${code ?? 'a signal'}`)
  return Number(last)
}
