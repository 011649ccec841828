import { open } from 'atolldb'
import { copyFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inChild } from '../child.mjs'
import { closing, copyDirectory, inEmptyDirectory, median } from '../harness.mjs'
import { commitRecords, putAll } from '../load.mjs'
import { grouped, noted, sooner } from '../results.mjs'
import { git, gitOutput } from '../stock-git.mjs'

const manyHeads = 64

/**
 * Two sides that wrote apart from each other, merged. The sides are copies of one data set; the commits of the second are
 * put into the repository of the first as a head that waits, with what a node keeps of commits that it verified, and a node merges
 * them when it is opened. A large merge says itself when readers have it and when it is durable; the time of a small one is that
 * open's, less that of an open where nothing waits.
 */
export async function merge({ directory, rounds, records, dataSets, loop }) {
  return inEmptyDirectory(directory, async () => {
    const few = records / 50
    const changes = records / 100
    const apart = { directory, dataSets, loop, sides: 2 }
    const sizes = [records, few].map(total => ({ ...apart, records: total, changes, measures: [] }))
    for (let round = 1; round <= Math.min(rounds, 3); round++)
      for (const size of sizes) size.measures.push(await mergeOnce(size))
    const [large, small] = sizes.map(({ measures }) => ({
      ms: median(measures.map(({ ms }) => ms)),
      durableMs: median(measures.map(({ durableMs }) => durableMs)),
      treeBytes: median(measures.map(({ treeBytes }) => treeBytes)),
    }))
    const month = await mergeOnce({ ...apart, records, changes: 10 * changes })
    const headChanges = Math.max(10, records / 10_000)
    const heads = await mergeOnce({ ...apart, records: few, changes: headChanges, sides: manyHeads })

    const title = `merge of two sides with ${grouped(changes)} changes each, at ${grouped(records)} records`
    const times = { subject: large.ms, reference: small.ms }
    const durable = { subject: large.durableMs, reference: small.durableMs }
    const trees = { subject: large.treeBytes / 1000, reference: small.treeBytes / 1000 }
    return [
      sooner(`${title}: view`, 'ms', times, `at ${grouped(few)}`, 1.3),
      sooner(`${title}: trees, durable`, 'ms', durable, `at ${grouped(few)}`, 8),
      sooner(`${title}: trees of the merge`, 'KB', trees, `at ${grouped(few)}`, 8),
      noted(
        `merge of two sides with ${grouped(10 * changes)} changes each, at ${grouped(records)} records`,
        'ms',
        month.ms,
      ),
      noted(
        `merge of ${manyHeads} heads with ${grouped(headChanges)} changes each, at ${grouped(few)}`,
        'ms',
        heads.ms,
      ),
    ]
  })
}

/** Milliseconds of the merge, and bytes of the trees that only the merge commit has. */
async function mergeOnce({ directory, dataSets, loop, records, changes, sides }) {
  return inEmptyDirectory(join(directory, 'merge'), async at => {
    const base = (await dataSets.of('objects', records)).directory
    const ours = copyDirectory(base, join(at, 'side-0'))
    const repository = join(ours, 'repo.git')
    await writeApart(ours, { records, changes, side: 0, sides })
    const { openMs: plainMs } = await inChild('open', { directory: ours })
    for (let side = 1; side < sides; side++)
      await inEmptyDirectory(join(at, `side-${side}`), async theirs => {
        copyDirectory(base, theirs)
        const head = await writeApart(theirs, { records, changes, side, sides })
        await fetchWaitingHead(repository, join(theirs, 'repo.git'), head)
        takeKeptChanges({ base, theirs, ours, side })
      })
    const opened = await inChild('open', { directory: ours })
    if (opened.heads !== sides) throw new Error(`${opened.heads} heads after a merge of ${sides}`)
    loop.add('merge', opened.loop)
    const { visibleMs: ms, durableMs } = opened.largeMerge ?? {
      visibleMs: opened.openMs - plainMs,
      durableMs: opened.openMs - plainMs,
    }
    return { ms, durableMs, treeBytes: await newTreeBytes(repository) }
  })
}

/** Changes spread evenly over the records; one in a hundred of a side is a record that every side changes. */
async function writeApart(directory, { records, changes, side, sides }) {
  const stride = Math.floor(records / changes)
  const shift = Math.floor((stride * side) / sides)
  const place = nth => nth * stride + (nth % 100 === 0 ? 0 : shift)
  return closing(await open(directory), async db => {
    for (let first = 0; first < changes; first += commitRecords) {
      await putAll(db, first, Math.min(commitRecords, changes - first), place, side + 1)
      await db.flush()
    }
    return (await db.flush()).commit
  })
}

async function fetchWaitingHead(repository, from, head) {
  const keepPack = ['-c', 'fetch.unpackLimit=1']
  await git(['-C', repository, ...keepPack, 'fetch', '--quiet', from, `${head}:refs/atoll/heads/${head}`])
}

/** What commits changed is kept in numbered files, of which the highest are the newest; each process begins one. */
function takeKeptChanges({ base, theirs, ours, side }) {
  const known = new Set(readdirSync(join(base, 'changes')))
  for (const name of readdirSync(join(theirs, 'changes')))
    if (!known.has(name))
      copyFileSync(
        join(theirs, 'changes', name),
        join(ours, 'changes', `${String(side).padStart(4, '0')}${name.slice(4)}`),
      )
}

/** Of the trees of `main` that none of its parents has. */
async function newTreeBytes(repository) {
  const parents = (await gitOutput(['-C', repository, 'rev-parse', 'main^@'])).trim().split('\n')
  const objects = await gitOutput(['-C', repository, 'rev-list', '--objects', 'main', ...parents.map(id => `^${id}`)])
  const ids = objects
    .trim()
    .split('\n')
    .map(line => line.slice(0, 40))
  const described = await gitOutput(['-C', repository, 'cat-file', '--batch-check'], `${ids.join('\n')}\n`)
  return described
    .split('\n')
    .map(line => line.split(' '))
    .filter(([, type]) => type === 'tree')
    .reduce((sum, [, , size]) => sum + Number(size), 0)
}
