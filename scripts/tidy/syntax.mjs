import ts from 'typescript'

/** What the rules need to know of a file's syntax. Comments and strings are never mistaken for code. */

const parsedByText = new Map()

export function parse(path, text) {
  const known = parsedByText.get(text)
  if (known !== undefined) return known
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
  parsedByText.set(text, source)
  return source
}

/** Every node of the file, in order. */
export function* nodesOf(source) {
  const stack = [source]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    yield node
    const children = []
    ts.forEachChild(node, child => void children.push(child))
    stack.push(...children.reverse())
  }
}

export function lineOf(source, node) {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
}

/**
 * The modules that a file names: `{ specifier, typeOnly, line }`. Type-only are `import type`, `export type` and
 * `typeof import()` or `import().X` in a type: they leave nothing behind in JavaScript.
 */
export function importsOf(path, text) {
  const source = parse(path, text)
  const imports = []
  for (const node of nodesOf(source)) {
    const found = importOf(node)
    if (found !== undefined) imports.push({ ...found, line: lineOf(source, node) })
  }
  return imports
}

function importOf(node) {
  if (ts.isImportDeclaration(node)) {
    return { specifier: node.moduleSpecifier.text, typeOnly: node.importClause?.isTypeOnly === true }
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return { specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly }
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { specifier: node.argument.literal.text, typeOnly: true }
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments
    if (argument !== undefined && ts.isStringLiteralLike(argument)) return { specifier: argument.text, typeOnly: false }
  }
  return undefined
}
