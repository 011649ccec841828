/** The thread of `merge-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '@atolldb/core'
import { WindowedFiles } from '../files/windowed-files.ts'
import { openPack } from '../packs/open-pack.ts'
import { mergePacks } from './merge-packs.ts'
import { encodeFailure, type MergeMessage, type MergeTask } from './merge-thread.ts'
import { Pace } from './pace.ts'

const FILE_CACHE_BYTES = 4 * 1024 * 1024

assert(parentPort !== null, 'this runs in a thread')
const port = parentPort
const stopping = new AbortController()
port.once('message', () => stopping.abort())
const post = (message: MergeMessage): void => port.postMessage(message)

const { packPaths, directory, prefix, modified } = workerData as MergeTask
const files = new WindowedFiles(FILE_CACHE_BYTES)
try {
  const packs = []
  for (const path of packPaths) packs.push(await openPack(files, path))
  const onProgress = (done: number, total: number): void => post({ type: 'progress', done, total })
  const pace = new Pace('compaction', stopping.signal)
  post({ type: 'merged', merged: await mergePacks(packs, directory, prefix, { pace, modified, onProgress }) })
} catch (error) {
  post({ type: 'failed', failure: encodeFailure(error) })
} finally {
  await files.close()
  port.close()
}
