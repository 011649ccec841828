import { scanRecords } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { open } from 'atolldb'
import { join } from 'node:path'
import { closing, median, timed } from '../harness.mjs'
import { grouped, sooner } from '../results.mjs'
import { idOf, scattered } from '../values.mjs'

const few = 1_000
const limit = 100
const warmUpRanges = 10
const ranges = 200

/** Ranges of 100 records, read from the trees of a commit, here and there in a large state and in a small one in turns. */
export async function snapshotRange({ records, dataSets }) {
  const sides = []
  for (const total of [records, few]) {
    const { directory } = await dataSets.of('objects', total)
    const { commit } = await closing(await open(directory), db => db.flush())
    sides.push({ total, repository: join(directory, 'repo.git'), commit, times: [] })
  }
  const [large, small] = sides
  await closing(await Repository.open(large.repository), async largeRepository =>
    closing(await Repository.open(small.repository), async smallRepository => {
      for (let nth = 0; nth < warmUpRanges + ranges; nth++)
        for (const [side, repository] of [
          [large, largeRepository],
          [small, smallRepository],
        ]) {
          const gte = idOf(scattered(nth, side.total - limit))
          const ms = await timed(() => readRange(repository, side.commit, gte))
          if (nth >= warmUpRanges) side.times.push(ms)
        }
    }),
  )
  const times = { subject: median(large.times), reference: median(small.times) }
  return [sooner(`range of 100 on a snapshot at ${grouped(records)} records`, 'ms', times, `at ${grouped(few)}`, 3)]
}

async function readRange(repository, commit, gte) {
  const { tree } = await repository.readCommit(commit)
  let found = 0
  for await (const records of scanRecords(repository, tree, 'objects', 'sensors', { gte, limit }))
    for (const { content } of records) {
      JSON.parse(Buffer.from(content.bytes ?? (await repository.readBlob(content.version))).toString())
      found++
    }
  if (found !== limit) throw new Error(`a range had ${found} records`)
}
