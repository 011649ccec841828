import ts from 'typescript'
import { codeFiles } from './project.mjs'
import { importsOf, lineOf, nodesOf, parse } from './syntax.mjs'

/**
 * Core is the pure database: it runs the same in a browser, in the simulator and in production, because it takes time,
 * randomness and the world only as arguments.
 */
const worldly = new Set([
  'Buffer',
  'process',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'crypto',
  'fetch',
  'require',
  'globalThis',
])

export function* purity(project) {
  for (const [path, text] of codeFiles(project)) {
    if (!path.startsWith('packages/core/src/')) continue
    for (const { specifier, line } of importsOf(path, text)) {
      if (specifier.startsWith('node:')) yield problem(path, line, `core may not import ${specifier}`)
    }
    const source = parse(path, text)
    for (const node of nodesOf(source)) {
      const use = worldlyUse(node)
      if (use !== undefined) yield problem(path, lineOf(source, node), `core may not use ${use}`)
    }
  }
}

function problem(file, line, message) {
  return { file, line, rule: 'purity', message }
}

function worldlyUse(node) {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const name = `${node.expression.text}.${node.name.text}`
    if (name === 'Date.now' || name === 'Math.random') return name
  }
  if (ts.isNewExpression(node) && isNamed(node.expression, 'Date') && (node.arguments?.length ?? 0) === 0)
    return 'new Date()'
  if (ts.isCallExpression(node) && isNamed(node.expression, 'Date')) return 'Date()'
  if (ts.isIdentifier(node) && worldly.has(node.text) && isReference(node)) return node.text
  return undefined
}

function isNamed(node, name) {
  return ts.isIdentifier(node) && node.text === name
}

/** Does the identifier stand for a variable, and not for a member, a parameter or a label of that name? */
function isReference(node) {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isQualifiedName(parent)) return parent.left === node
  if ('name' in parent && parent.name === node) return false
  return !ts.isPropertyAssignment(parent) || parent.initializer === node
}
