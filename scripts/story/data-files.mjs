import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The two files of the story, from the npm package vega-datasets, and a reader of its own to check the import against. */

const directory = new URL('../../node_modules/vega-datasets/data/', import.meta.url)

export const airportsFile = fileURLToPath(new URL('airports.csv', directory))
export const weatherFile = fileURLToPath(new URL('seattle-weather-hourly-normals.csv', directory))

/** The rows of a CSV file as the import must store them: numbers where the text is exactly how JSON prints one. */
export function readCsv(file) {
  const [head, ...rows] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/).map(cells)
  return rows.map(row => Object.fromEntries(row.map((text, column) => [head[column], typed(text)])))
}

/** One line of these files: quotes may hold commas, and nothing else is special in them. */
function cells(line) {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    match => match[1]?.replaceAll('""', '"') ?? match[2],
  )
}

function typed(text) {
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && JSON.stringify(Number(text)) === text ? Number(text) : text
}
