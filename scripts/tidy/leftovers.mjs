import ts from 'typescript'
import { codeFiles } from './project.mjs'
import { lineOf, nodesOf, parse } from './syntax.mjs'

/** What people leave behind: notes to themselves, debugging, disabled tests, default exports. */

const note = /\b(TODO|FIXME|XXX|HACK)\b/
/** These name what they forbid. */
const exempt = /^(scripts\/tidy\/|test\/tidy\.test\.ts$)/
const mayPrint = /^(packages\/cli|scripts|bench|examples|test)\//
const mayExportDefault = /(^|\/)[a-z.]+\.config\.ts$/

export function* leftovers(project) {
  for (const [file, text] of project.files) {
    if (exempt.test(file)) continue
    for (const [index, line] of text.split('\n').entries()) {
      const word = note.exec(line)?.[1]
      if (word !== undefined) yield problem(file, index + 1, `${word}: do it, or open an issue`)
    }
  }
  for (const [file, text] of codeFiles(project)) {
    const source = parse(file, text)
    for (const node of nodesOf(source)) {
      const message = leftover(source, file, node)
      if (message !== undefined) yield problem(file, lineOf(source, node), message)
    }
  }
}

function problem(file, line, message) {
  return { file, line, rule: 'leftovers', message }
}

function leftover(source, file, node) {
  if (node.kind === ts.SyntaxKind.DebuggerStatement) return 'debugger'
  if (isConsole(node) && !mayPrint.test(file)) return 'console: a library prints nothing'
  if (isDefaultExport(node) && !mayExportDefault.test(file)) return 'default export: give it a name'
  if (isTestCall(node, 'only')) return '.only leaves the other tests out'
  if (isTestCall(node, 'skip') && !hasReason(source, node)) return '.skip needs a comment "// Skipped: why"'
  return undefined
}

function isConsole(node) {
  return ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'console'
}

function isDefaultExport(node) {
  if (ts.isExportAssignment(node)) return node.isExportEquals !== true
  if (ts.isExportSpecifier(node)) return node.name.text === 'default'
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(part => part.kind === ts.SyntaxKind.DefaultKeyword)
  )
}

/** `it.only(…)`, `describe.skip.each(…)`, `test.concurrent.only(…)`. */
function isTestCall(node, modifier) {
  if (!ts.isPropertyAccessExpression(node) || node.name.text !== modifier) return false
  let innermost = node.expression
  while (ts.isPropertyAccessExpression(innermost)) innermost = innermost.expression
  return ts.isIdentifier(innermost) && ['it', 'test', 'describe', 'suite'].includes(innermost.text)
}

function hasReason(source, node) {
  const lines = source.text.split('\n')
  const line = lineOf(source, node)
  return lines.slice(Math.max(0, line - 2), line).some(text => /\/\/ Skipped: \S/.test(text))
}
