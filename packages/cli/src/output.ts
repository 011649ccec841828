import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { Io } from './io.ts'

/** Data goes to stdout, words to stderr; colour only for a person. */
export class Output {
  readonly json: boolean
  /** stdout is a terminal: values may be laid out for reading. */
  readonly pretty: boolean
  readonly columns: number
  readonly #io: Io
  readonly #colour: boolean

  constructor(io: Io, json: boolean) {
    this.json = json
    this.pretty = io.stdout.isTTY === true && !json
    this.columns = io.stdout.columns ?? 80
    this.#io = io
    const wanted = io.env['NO_COLOR'] === undefined || io.env['NO_COLOR'] === ''
    this.#colour = wanted && this.pretty
  }

  /** A line of data; resolves when the reader can take more. */
  async line(text: string): Promise<void> {
    await write(this.#io.stdout, `${text}\n`)
  }

  async bytes(bytes: Uint8Array): Promise<void> {
    await write(this.#io.stdout, bytes)
  }

  /** One JSON object as a line. */
  async object(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value))
  }

  /** Words for a person. */
  note(text: string): void {
    this.#io.stderr.write(`${text}\n`)
  }

  bold(text: string): string {
    return this.#style(text, 1)
  }

  green(text: string): string {
    return this.#style(text, 32)
  }

  yellow(text: string): string {
    return this.#style(text, 33)
  }

  dim(text: string): string {
    return this.#style(text, 2)
  }

  #style(text: string, code: number): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text
  }
}

async function write(stream: Writable, chunk: string | Uint8Array): Promise<void> {
  if (!stream.write(chunk)) await once(stream, 'drain')
}

/** Text of others for a terminal: control characters, which could steer it, are written as escapes. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** JSON for a terminal: `JSON.stringify` leaves some control characters as they are. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent)
    .split('\n')
    .map(line => printable(line))
    .join('\n')
}

/** An id as a word of a line: quoted where it could be misread. */
export function printableId(id: string): string {
  return id === '' || id !== id.trim() || id !== printable(id) ? printable(JSON.stringify(id)) : id
}

/** Rows with aligned columns, two spaces apart. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows.map(row =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

export function count(n: number, singular: string, plural = `${singular}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? singular : plural}`
}
