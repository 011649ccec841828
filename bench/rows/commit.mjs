import { open } from 'atolldb'
import { join } from 'node:path'
import { inEmptyDirectory, median, timed } from '../harness.mjs'
import { packBytesWrittenBy } from '../repository-size.mjs'
import { atMost, grouped, sooner } from '../results.mjs'
import { idOf, scattered, valueOf } from '../values.mjs'

const few = 1_000
const warmUpCommits = 10
const commits = 40

/**
 * One record written and sealed, in a large data set and in a small one in turns. Bytes are those of the commit's pack and
 * index; time is from the call to the durable commit.
 */
export async function commit({ directory, records, dataSets }) {
  return inEmptyDirectory(directory, async () => {
    const rows = []
    for (const [kind, label, barKB] of [
      ['objects', 'Object', 8],
      ['lists', 'List', 24],
    ]) {
      const large = await dataSets.copyOf(kind, records, join(directory, `${kind}-large`))
      const small = await dataSets.copyOf(kind, few, join(directory, `${kind}-small`))
      const [subject, reference] = await oneRecordCommits(kind, [
        { directory: large, records },
        { directory: small, records: few },
      ])
      const at = `one-record commit to ${label === 'Object' ? 'an Object' : 'a List'} of ${grouped(records)}`
      const times = { subject: subject.ms, reference: reference.ms }
      rows.push(
        atMost(`${at}: pack and index`, 'KB', subject.bytes / 1000, barKB, 5),
        sooner(`${at}: time`, 'ms', times, `of ${grouped(few)}`, 1.5),
      )
    }
    return rows
  })
}

/** Commits to each of the data sets in turns: the median time and bytes of each. */
export async function oneRecordCommits(kind, dataSets) {
  const sides = []
  try {
    for (const { directory, records } of dataSets)
      sides.push({ db: await open(directory), repository: join(directory, 'repo.git'), records, times: [], bytes: [] })
    for (let nth = 0; nth < warmUpCommits + commits; nth++)
      for (const side of sides) {
        const { ms, bytes } = await commitOne(side, kind, nth)
        if (nth < warmUpCommits) continue
        side.times.push(ms)
        side.bytes.push(bytes)
      }
  } finally {
    for (const { db } of sides) await db.close()
  }
  // Medians: a merge of packs in the background that ends in the middle of a commit is not of that commit.
  return sides.map(({ times, bytes }) => ({ ms: median(times), bytes: median(bytes) }))
}

async function commitOne({ db, repository, records }, kind, nth) {
  let ms = 0
  const bytes = await packBytesWrittenBy(repository, async () => {
    ms = await timed(async () => {
      await writeOne(db, kind, nth, records)
      await db.flush()
    })
  })
  return { ms, bytes }
}

/** A record of an Object is changed; a List gets one more. */
export function writeOne(db, kind, nth, records) {
  if (kind === 'lists') return db.list('readings').insert(valueOf(records + nth))
  const index = scattered(nth, records)
  return db.object('sensors').put(idOf(index), { ...valueOf(index), nth })
}
