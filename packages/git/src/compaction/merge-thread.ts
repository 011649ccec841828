/**
 * Merges packs in a thread of its own: compressing and searching for deltas would take turns of the event loop from whoever
 * writes and reads. Only names go to the thread, and only the name of what it wrote comes back.
 *
 *     to the thread    task (worker data); later anything at all: stop
 *     from the thread  { type: 'progress', done, total }, then one of
 *                      { type: 'merged', merged } or { type: 'failed', failure }
 */
import { Worker } from 'node:worker_threads'
import { AtollError, type ErrorCode, type ErrorDataByCode, isAtollError } from '@atolldb/core'
import { MalformedObject } from '../objects/malformed-object.ts'
import type { PackFile } from '../packs/pack-file.ts'
import type { MergedPack, MergeOptions } from './merge-packs.ts'

/** Most of what a merge makes is dropped at once; a large nursery would only be memory. */
const YOUNG_MB = 6

export interface MergeTask {
  /** Oldest first. */
  readonly packPaths: readonly string[]
  readonly directory: string
  readonly prefix: string
  readonly modified: Date
}

/** An error as it crosses threads: a structured clone would lose what it is. */
export type Failure =
  | { readonly type: 'atoll'; readonly code: ErrorCode; readonly message: string; readonly data: unknown }
  | { readonly type: 'malformed'; readonly message: string }
  | {
      readonly type: 'other'
      readonly message: string
      readonly code: string | undefined
      readonly errno: number | undefined
    }

export type MergeMessage =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | { readonly type: 'merged'; readonly merged: MergedPack | undefined }
  | { readonly type: 'failed'; readonly failure: Failure }

/** The same as `mergePacks`, in a thread. */
export function mergePacksInThread(
  packs: readonly PackFile[],
  directory: string,
  prefix: string,
  { pace, modified, onProgress }: MergeOptions,
): Promise<MergedPack | undefined> {
  const workerData: MergeTask = { packPaths: packs.map(({ file }) => file.path), directory, prefix, modified }
  const entry = new URL('merge-worker.js', import.meta.url)
  // Flags of the process (its loaders, its conditions) are not for compiled code.
  const worker = new Worker(entry, { execArgv: [], workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } })
  const stop = (): void => worker.postMessage('stop')
  pace.signal?.addEventListener('abort', stop)
  // It may have been before this listened.
  if (pace.signal?.aborted === true) stop()
  return new Promise<MergedPack | undefined>((resolve, reject) => {
    worker.on('message', (message: MergeMessage) => {
      if (message.type === 'progress') onProgress?.(message.done, message.total)
      else if (message.type === 'merged') resolve(message.merged)
      else reject(decodeFailure(message.failure))
    })
    worker.on('error', reject)
    // After an answer this comes too late to matter.
    worker.on('exit', code => reject(new Error(`the thread that merges packs ended early (${code})`)))
  }).finally(() => pace.signal?.removeEventListener('abort', stop))
}

export function encodeFailure(error: unknown): Failure {
  if (isAtollError(error)) return { type: 'atoll', code: error.code, message: error.message, data: error.data }
  if (error instanceof MalformedObject) return { type: 'malformed', message: error.message }
  const { message, code, errno } = error as NodeJS.ErrnoException
  return { type: 'other', message, code, errno }
}

export function decodeFailure(failure: Failure): Error {
  if (failure.type === 'atoll')
    return new AtollError(failure.code, failure.message, failure.data as ErrorDataByCode[ErrorCode])
  if (failure.type === 'malformed') return new MalformedObject(failure.message)
  const { message, code, errno } = failure
  return Object.assign(new Error(message), code === undefined ? {} : { code }, errno === undefined ? {} : { errno })
}
