/**
 * The file `config` of a repository (git-config(1)), read as strictly as git reads it: git refuses every command in a repository
 * with a line that it cannot parse, or a value that is not of its variable's type.
 *
 *     [section]  or  [section "subsection"]
 *     name = value        ; value: words, "quoted" parts, \n \t \b \" \\, a \ at the end of a line goes on in the next
 *     name                ; as if it were true
 *     # or ; begins a comment
 */

/** What Atoll writes. Stock git run by hand must not repack behind our back: gc.auto. */
export const REPOSITORY_CONFIG = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
[gc]
	auto = 0
`

export interface ConfigValue {
  /** Undefined where the name stands alone. */
  readonly value: string | undefined
  readonly line: number
}

/** A line that git refuses. */
export interface ConfigProblem {
  readonly line: number
  readonly reason: string
}

/** By `section.name` in small letters; of a variable that is there twice, the last counts. */
export interface ConfigContent {
  readonly valueByName: ReadonlyMap<string, ConfigValue>
  readonly problem: ConfigProblem | undefined
}

/** Reads to the first line that git would refuse. */
export function parseConfig(text: string): ConfigContent {
  const valueByName = new Map<string, ConfigValue>()
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  let section = ''
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1
    const problem = (reason: string): ConfigContent => ({ valueByName, problem: { line, reason } })
    let rest = lines[at]!
    const header = headerForm.exec(rest)
    if (header !== null) {
      section = header[1]!.toLowerCase() + (header[2] === undefined ? '' : `.${header[2]}`)
      rest = rest.slice(header[0].length)
    }
    if (blankForm.test(rest)) continue
    const assignment = assignmentForm.exec(rest)
    if (assignment === null) return problem(`git cannot read ${JSON.stringify(rest.slice(0, 80))}`)
    let value = assignment[2]
    // An odd number of backslashes at the end: the last one is no escaped one.
    while (value !== undefined && /(?:^|[^\\])(?:\\\\)*\\$/.test(value) && at + 1 < lines.length)
      value = value.slice(0, -1) + lines[++at]!
    const plain = value === undefined ? undefined : unquote(value)
    if (value !== undefined && plain === undefined)
      return problem(`git cannot read the value ${JSON.stringify(value.slice(0, 80))}`)
    valueByName.set(`${section}.${assignment[1]!.toLowerCase()}`, { value: plain, line })
  }
  return { valueByName, problem: undefined }
}

// Git's blanks are these and no others.
const headerForm = /^[ \t]*\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\]|\\.)*)")?\]/
const blankForm = /^[ \t\r]*(?:[#;].*)?$/s
const assignmentForm = /^[ \t]*([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=(.*))?$/s

/** Undefined where a quote is left open, or an escape is unknown. */
function unquote(text: string): string | undefined {
  let value = ''
  let isQuoted = false
  // Blanks count between words only.
  let blanks = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (!isQuoted && /[ \t\r]/.test(character)) {
      if (value !== '') blanks += character
      continue
    }
    if (!isQuoted && /[#;]/.test(character)) break
    value += blanks
    blanks = ''
    if (character === '"') isQuoted = !isQuoted
    else if (character === '\\') {
      const meant = escapes.get(text[++at] ?? '')
      if (meant === undefined) return undefined
      value += meant
    } else value += character
  }
  return isQuoted ? undefined : value
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['b', '\b'],
  ['"', '"'],
  ['\\', '\\'],
])

/** What keeps git, or us, from working with a repository of that `config`: the first problem of it. */
export function configProblem(text: string): ConfigProblem | undefined {
  const { valueByName, problem } = parseConfig(text)
  if (problem !== undefined) return problem
  for (const [name, isRight, meaning] of ourVariables) {
    const found = valueByName.get(name)
    if (found === undefined ? required.has(name) : !isRight(found.value))
      return { line: found?.line ?? 1, reason: `${name} is ${said(found)}, and should be ${meaning}` }
  }
  return undefined
}

function said(found: ConfigValue | undefined): string {
  if (found === undefined) return 'not there'
  return found.value === undefined ? 'without a value' : JSON.stringify(found.value.slice(0, 80))
}

const ourVariables: readonly [name: string, isRight: (value: string | undefined) => boolean, meaning: string][] = [
  ['core.repositoryformatversion', value => value !== undefined && /^\+?0+$/.test(value), '0'],
  ['core.bare', value => booleanOf(value) === true, 'true'],
  ['core.filemode', value => booleanOf(value) !== undefined, 'true or false'],
  ['gc.auto', value => value !== undefined && /^[+-]?0+$/.test(value), '0'],
]
/** A clone that stands in for our repository need not have the others. */
const required: ReadonlySet<string> = new Set(['core.repositoryformatversion', 'core.bare'])

/** As git reads it; undefined where it would not. */
function booleanOf(value: string | undefined): boolean | undefined {
  if (value === undefined) return true
  if (/^(?:true|yes|on)$/i.test(value)) return true
  if (/^(?:false|no|off|)$/i.test(value)) return false
  return /^[+-]?\d{1,9}$/.test(value) ? Number(value) !== 0 : undefined
}
