import { open, type FileHandle } from 'node:fs/promises'
import { extname } from 'node:path'
import { invalid } from '@atolldb/core/errors'
import { fileError } from '../input.ts'
import type { Io } from '../io.ts'

export type ImportFormat = 'csv' | 'json' | 'jsonl'

const formatByExtension: Readonly<Record<string, ImportFormat>> = {
  '.csv': 'csv',
  '.json': 'json',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
}

/** What is to be imported, as bytes. */
export interface ImportSource {
  readonly format: ImportFormat
  /** Undefined for stdin, whose length nobody knows. */
  readonly sizeBytes: number | undefined
  readonly chunks: AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** A file, or stdin for `-`. @throws INVALID, MISSING, NOT_ACCESSIBLE */
export async function openImportSource(path: string, format: string | undefined, io: Io): Promise<ImportSource> {
  const known = chooseFormat(path, format)
  if (path === '-')
    return { format: known, sizeBytes: undefined, chunks: io.stdin as AsyncIterable<Uint8Array>, close: async () => {} }
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r')
    const stat = await file.stat()
    if (stat.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' })
    const chunks = file.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>
    const opened = file
    return { format: known, sizeBytes: stat.size, chunks, close: () => opened.close() }
  } catch (error) {
    await file?.close()
    throw fileError(path, error)
  }
}

function chooseFormat(path: string, format: string | undefined): ImportFormat {
  if (format === 'csv' || format === 'json' || format === 'jsonl') return format
  if (format !== undefined) throw invalid('format', 'must be csv, json or jsonl')
  const known = formatByExtension[extname(path).toLowerCase()]
  if (known === undefined) throw invalid('format', `say what ${path} is with --format csv, json or jsonl`)
  return known
}

/** The text of the bytes, without a byte-order mark. What is not UTF-8 is refused, not replaced. @throws INVALID */
export async function* decodeChunks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true })
    yield decoder.decode()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw invalid('file', 'is not UTF-8')
  }
}
