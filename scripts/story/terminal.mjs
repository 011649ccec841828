import { styleText } from 'node:util'

/** How the story looks: colours on a terminal only, aligned tables, one blank line between sections. */

const colourful = process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb'

export function style(format, text) {
  // validateStream would ask about a stream again; we have decided.
  return colourful ? styleText(format, text, { validateStream: false }) : text
}

export const bold = text => style('bold', text)
export const dim = text => style('dim', text)
export const green = text => style('green', text)
export const red = text => style('red', text)
export const cyan = text => style('cyan', text)
export const yellow = text => style('yellow', text)

export function say(text = '') {
  process.stdout.write(`${text}\n`)
}

let sections = 0

/** Opens a section of the story. */
export function section(title, explanation) {
  sections += 1
  say()
  say(`${cyan(`── ${sections} `)}${bold(title)} ${cyan('─'.repeat(Math.max(3, 72 - title.length)))}`)
  if (explanation !== undefined) say(dim(indent(explanation)))
  say()
}

export function indent(text) {
  return text
    .split('\n')
    .map(line => (line === '' ? line : `   ${line}`))
    .join('\n')
}

/** A command as the reader would type it, with what came of it or what it is for. */
export function showCommand(command, remark = '') {
  say(`   ${dim('$')} ${command}${remark === '' ? '' : dim(`   # ${remark}`)}`)
}

/** Columns as wide as their widest cell; the first to the left, the others to the `right` or as they are. */
export function table(head, rows, { right = false } = {}) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => width(row[column]))))
  const line = row =>
    row
      .map((cell, column) => pad(cell, widths[column], right && column > 0))
      .join('   ')
      .trimEnd()
  say(indent(dim(line(head))))
  for (const row of rows) say(indent(line(row)))
}

function pad(text, size, right) {
  const space = ' '.repeat(size - width(text))
  return right ? space + text : text + space
}

function width(text) {
  return plain(text).length
}

function plain(text) {
  // oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
  return String(text).replaceAll(/\u001B\[[0-9;]*m/g, '')
}

export function seconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

export function count(number) {
  return number.toLocaleString('en-US')
}
