import { measure } from './measure-text.mjs'

/** A row for each database and size. */
export function peerTable(measured) {
  const rate = value => (value === undefined ? '' : measure(value, '/s'))
  return {
    columns: [
      { title: 'database' },
      { title: 'record', right: true },
      { title: 'put', right: true },
      { title: 'bulk', right: true },
      { title: 'get', right: true },
      { title: 'replicate', right: true },
      { title: 'durability, and what to know' },
    ],
    rows: measured.map(({ name, sizeBytes, about, skipped, ...rates }) => [
      name,
      measure(sizeBytes, 'B'),
      rate(rates.putPerSecond),
      rate(rates.bulkPerSecond),
      rate(rates.getPerSecond),
      rate(rates.replicatePerSecond),
      about ?? skipped,
    ]),
  }
}
