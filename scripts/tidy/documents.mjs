import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { nodesOf, parse } from './syntax.mjs'

/** The documents say what the code does: links lead somewhere, every error code is explained, decisions are numbered. */
export function* documents(project) {
  yield* errorCodes(project)
  yield* decisions(project)
  for (const [file, text] of project.files) if (file.endsWith('.md')) yield* links(project, file, text)
}

function problem(file, message, line) {
  return { file, ...(line === undefined ? {} : { line }), rule: 'documents', message }
}

const errorsSource = 'packages/core/src/errors.ts'
const errorsDocument = 'docs/errors.md'

/** Every code of ErrorDataByCode has a heading of its own in docs/errors.md, and every such heading a code. */
function* errorCodes(project) {
  const source = project.files.get(errorsSource)
  if (source === undefined) return
  const text = project.files.get(errorsDocument)
  if (text === undefined) {
    yield problem(errorsDocument, 'missing: it explains every error code')
    return
  }
  const codes = new Set(codesOf(source))
  const headings = new Set([...text.matchAll(/^#{2,4} +`?([A-Z][A-Z_]*[A-Z])`?/gm)].map(match => match[1]))
  for (const code of codes) if (!headings.has(code)) yield problem(errorsDocument, `no heading for ${code}`)
  for (const heading of headings) if (!codes.has(heading)) yield problem(errorsDocument, `${heading} is no error code`)
}

function* codesOf(text) {
  for (const node of nodesOf(parse(errorsSource, text))) {
    if (ts.isInterfaceDeclaration(node) && node.name.text === 'ErrorDataByCode')
      for (const member of node.members) yield member.name.getText()
  }
}

/** docs/decisions/0001-….md onwards, without a gap or a number used twice. */
function* decisions(project) {
  const names = project.paths.filter(path => posix.dirname(path) === 'docs/decisions').map(path => posix.basename(path))
  let next = 1
  for (const name of names.filter(candidate => candidate !== 'README.md')) {
    const number = /^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1]
    if (number === undefined) yield problem(`docs/decisions/${name}`, 'is not called NNNN-what-was-decided.md')
    else if (Number(number) !== next++)
      yield problem(`docs/decisions/${name}`, `expected number ${String(next - 1).padStart(4, '0')}`)
  }
}

/** Relative links of a document lead to a file that exists and, into a document, to a heading of it. */
function* links(project, file, text) {
  for (const { target, line } of linksOf(text)) {
    if (/^[a-z]+:/i.test(target)) continue
    const [path, anchor] = target.split('#')
    const resolved = path === '' ? file : posix.normalize(posix.join(posix.dirname(file), decodeURI(path)))
    if (resolved.startsWith('..') || !existsSync(join(project.root, resolved)))
      yield problem(file, `link to ${target}: no such file`, line)
    else if (anchor !== undefined && resolved.endsWith('.md') && !anchorsOf(project.files.get(resolved)).has(anchor))
      yield problem(file, `link to ${target}: no such heading`, line)
  }
}

function* linksOf(text) {
  for (const { line, content } of proseLines(text)) {
    for (const match of content.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)) yield { target: match[1], line }
  }
}

/** Lines outside fenced code, with inline code blanked out. */
function* proseLines(text) {
  let fenced = false
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced
    else if (!fenced) yield { line: index + 1, content: line.replaceAll(/`[^`]*`/g, '') }
  }
}

/** Headings as GitHub turns them into anchors. */
function anchorsOf(text) {
  const anchors = new Set()
  for (const match of text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6} +(.+?)\s*$/gm)) {
    const slug = match[1]
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    anchors.add(slug)
  }
  return anchors
}
