import { loopRows } from './loop-delay.mjs'
import { growthTable } from './growth-table.mjs'
import { measure } from './measure-text.mjs'
import { peerTable } from './peer-table.mjs'

/** The results as tables on stdout. */
export function printTables(results) {
  for (const { about, columns, rows } of tablesOf(results)) {
    console.log(`${about}\n`)
    printTable(columns, rows)
    console.log('')
  }
}

/**
 * The tables that the results make: `columns` with their titles and on which side they stand, and rows of texts. `about` says on what
 * machines and when they were measured.
 */
export function tablesOf({ groups }) {
  const { growth, peers, ...table } = groups
  return [
    ...(Object.keys(table).length === 0
      ? []
      : [{ name: 'bars', about: aboutOf(Object.values(table)), ...barTable(table) }]),
    ...(growth === undefined ? [] : [{ name: 'growth', about: aboutOf([growth]), ...growthTable(growth.growth) }]),
    ...(peers === undefined ? [] : [{ name: 'peers', about: aboutOf([peers]), ...peerTable(peers.peers) }]),
  ]
}

function barTable(groups) {
  const results = Object.values(groups).flatMap(({ rows }) => rows)
  const loops = Object.values(groups).flatMap(({ loop }) => loop)
  const columns = [
    { title: 'work' },
    { title: 'Atoll', right: true },
    { title: 'reference', right: true },
    { title: 'which' },
    { title: 'ratio', right: true },
    { title: 'bar' },
    { title: 'goal' },
    { title: '' },
  ]
  return { columns, rows: [...results, ...loopRows(loops)].map(barRow) }
}

function barRow(result) {
  const { title, unit, subject, reference, referenceName, ratio, relation, bar, goal, reached } = result
  const bound = value =>
    value === undefined ? '' : `${relation} ${ratio === undefined ? measure(value, unit) : times(value)}`
  return [
    title,
    measure(subject, unit),
    reference === undefined ? '' : measure(reference, unit),
    referenceName ?? '',
    ratio === undefined ? '' : `${ratio.toFixed(2)} ×`,
    bound(bar),
    bound(goal),
    reached === undefined ? '' : reached ? 'reached' : 'not reached',
  ]
}

/** Machines and dates of the groups, each named once. */
function aboutOf(groups) {
  const machines = groups.map(({ machine: { cpu, cores, memoryGiB, platform, node, git } }) =>
    [cpu, `${cores} cores`, `${memoryGiB} GiB`, platform, `Node ${node}`, `git ${git}`].join(', '),
  )
  const settings = groups.map(
    ({ settings: { records, rounds } }) => `${records.toLocaleString('en-US')} records, ${rounds} rounds`,
  )
  const dates = groups.map(({ date }) => date.slice(0, 10)).sort()
  const [from, to] = [dates[0], dates.at(-1)]
  return [...new Set(machines), ...new Set(settings), from === to ? from : `${from} to ${to}`].join('; ')
}

function times(value) {
  return `${Number(value.toFixed(2))} ×`
}

function printTable(columns, rows) {
  const head = columns.map(({ title }) => title)
  const widths = columns.map((_, column) => Math.max(...[head, ...rows].map(row => row[column].length)))
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, column) =>
      columns[column].right === true ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    )
    console.log(cells.join('  ').trimEnd())
  }
}
