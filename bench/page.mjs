import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { tablesOf } from './table.mjs'

const path = fileURLToPath(new URL('../docs/performance.md', import.meta.url))

/** Puts the tables of the results into docs/performance.md, each between its two markers; the words around them stay. */
export async function writePage(results) {
  writeFileSync(path, await filled(readFileSync(path, 'utf8'), results))
}

export async function pageIsTrue(results) {
  const text = readFileSync(path, 'utf8')
  return (await filled(text, results)) === text
}

async function filled(text, results) {
  let filledText = text
  for (const table of tablesOf(results)) filledText = fill(filledText, table)
  return format(filledText, { ...(await resolveConfig(path)), filepath: path })
}

function fill(text, { name, about, columns, rows }) {
  const [begin, end] = [`<!-- results: ${name} -->`, `<!-- end: ${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no place for ${name}: ${begin} … ${end}`)
  const line = cells => `| ${cells.join(' | ')} |`
  const head = [
    line(columns.map(({ title }) => title)),
    line(columns.map(({ right }) => (right === true ? '--:' : '---'))),
  ]
  const table = [...head, ...rows.map(line)].join('\n')
  return `${text.slice(0, from)}${begin}\n\n${about}.\n\n${table}\n\n${text.slice(to)}`
}
