import { measure } from './measure-text.mjs'

/** A column a size. */
export function growthTable(sizes) {
  const lines = [
    ['put, 1,000 in flight', size => measure(size.putPerSecond, '/s')],
    ['get, 100 in flight, not cached', size => measure(size.getPerSecond, '/s')],
    ['one-record commit to an Object, time', size => measure(size.objectCommit.ms, 'ms')],
    ['one-record commit to an Object, pack and index', size => measure(size.objectCommit.bytes / 1000, 'KB')],
    ['one-record commit to a List, time', size => measure(size.listCommit.ms, 'ms')],
    ['one-record commit to a List, pack and index', size => measure(size.listCommit.bytes / 1000, 'KB')],
    ['open, time', size => measure(size.openMs, 'ms')],
    ['open, resident memory', size => measure(size.openMB, 'MB')],
    ['steady writes, peak resident memory', size => measure(size.steadyMB, 'MB')],
    ['loading, peak resident memory', size => measure(size.loadMB, 'MB')],
    ['loading', size => measure(size.records / size.loadSeconds, '/s')],
    ['packs after loading', size => String(size.packs)],
    ['repository after loading, a record', size => measure(size.repositoryBytes / size.records, 'B')],
  ]
  return {
    columns: [
      { title: 'records' },
      ...sizes.map(({ records }) => ({ title: records.toLocaleString('en-US'), right: true })),
    ],
    rows: lines.map(([title, text]) => [title, ...sizes.map(text)]),
  }
}
