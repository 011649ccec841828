import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished } from 'vitest'
import { runCli } from '../src/run-cli.ts'

/** The command within this process: all that a process of its own would do, without the time that one takes to start. */

/** A directory of its own for a test, gone when that ends. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'atoll-cli-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly stdin?: string
  /** A person sits at stdin. */
  readonly isTerminal?: boolean
}

export interface CommandLine {
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Result>
  /** A command that must succeed; its stdout without the last line end. */
  readonly atoll: (...args: string[]) => Promise<string>
  /** The stdout of one that must succeed, as it is. */
  readonly bytes: (...args: string[]) => Promise<Buffer>
}

/** @param data the data directory */
export function commandLine(data: string): CommandLine {
  const runBytes = async (args: readonly string[], { stdin = '', isTerminal = false }: RunOptions = {}) => {
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []]
    const sink = (chunks: Buffer[]): PassThrough => new PassThrough().on('data', (chunk: Buffer) => chunks.push(chunk))
    const input = Object.assign(new PassThrough(), { isTTY: isTerminal })
    input.end(stdin)
    const io = { stdin: input, stdout: sink(stdout), stderr: sink(stderr), env: { ATOLL_DATA: data } }
    const code = await runCli(args, { ...io, onEndSignal: () => () => undefined })
    return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }
  }
  const bytes = async (...args: string[]): Promise<Buffer> => {
    const { code, stdout, stderr } = await runBytes(args)
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
  }
  return {
    async run(args, options) {
      const { stdout, ...result } = await runBytes(args, options)
      return { ...result, stdout: stdout.toString() }
    },
    atoll: async (...args) => (await bytes(...args)).toString().replace(/\n$/, ''),
    bytes,
  }
}
