import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { JsonValue } from '@atolldb/core'
import { AtollError, invalid } from '@atolldb/core/errors'
import { parseJson } from '@atolldb/core/json'
import { MAX_VALUE_BYTES } from '@atolldb/core/limits'
import type { Io } from './io.ts'

/** White space makes a text longer than the value it stands for. */
const MAX_INPUT_BYTES = 4 * MAX_VALUE_BYTES

/** A JSON value from an argument, or from stdin for `-`. @throws INVALID, TOO_LARGE */
export async function readJsonArgument(argument: string, io: Io): Promise<JsonValue> {
  if (argument !== '-') return parseJson(argument)
  return parseJson(decodeText(await readAll(io.stdin), 'stdin'))
}

/** The bytes of a file, or of stdin for `-`. @throws MISSING, NOT_ACCESSIBLE, TOO_LARGE */
export async function readBytesArgument(path: string, io: Io): Promise<Uint8Array> {
  if (path === '-') return readAll(io.stdin)
  try {
    return await readFile(path)
  } catch (error) {
    throw fileError(path, error)
  }
}

export function fileError(path: string, error: unknown): AtollError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error)
  if (reason === 'ENOENT')
    return new AtollError('MISSING', `there is no file ${path}`, { what: 'file' }, { cause: error })
  return new AtollError('NOT_ACCESSIBLE', `${path}: ${reason}`, { path, reason }, { cause: error })
}

/** @throws INVALID */
export function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalid(what, 'is not UTF-8')
  }
}

async function readAll(stream: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Uint8Array | string)
    length += bytes.length
    if (length > MAX_INPUT_BYTES)
      throw new AtollError('TOO_LARGE', `stdin: more than ${MAX_INPUT_BYTES} bytes`, {
        what: 'stdin',
        limit: MAX_INPUT_BYTES,
      })
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
