/**
 * git's commit object (git-scm.com/book, "Git Internals"; gitformat-signature). UTF-8 lines in this order and no others:
 *
 *     tree <id> LF
 *     parent <id> LF                                       any number
 *     author <name> <<email>> <seconds> +0000 LF
 *     committer <name> <<email>> <seconds> +0000 LF
 *     gpgsig <first line> LF ( SP <further line> LF )*     at most once
 *     LF
 *     <message>
 *
 * Reading is exact: what `encodeCommit` would not have written is refused, so that a commit has one form and one id.
 */
import { assert, decodeUtf8, encodeUtf8, isObjectId, isWellFormed } from '@atolldb/core'
import type { CommitId, CommitObject, Identity, ObjectId } from '@atolldb/core'
import { MalformedObject } from './malformed-object.ts'

const identityPattern = /^(.+) <(.+)> (0|[1-9][0-9]{0,15}) \+0000$/u
const SIGNATURE_HEADER = 'gpgsig '

/** Fields that git could not read back are a bug of the caller. */
export function encodeCommit(commit: CommitObject): Uint8Array {
  const text = commitText(commit, true)
  assert(commitProblem(commit) === undefined, `a commit of ours is well-formed: ${commitProblem(commit)}`)
  return encodeUtf8(text)
}

/** What a signature covers: the encoding of the commit without its signature. */
export function encodeUnsignedCommit(commit: CommitObject): Uint8Array {
  return encodeUtf8(commitText(commit, false))
}

/** @throws MalformedObject when it is not exactly as `encodeCommit` writes. */
export function parseCommit(bytes: Uint8Array): CommitObject {
  let text: string
  try {
    text = decodeUtf8(bytes)
  } catch {
    throw new MalformedObject('a commit that is not UTF-8')
  }
  const headerEnd = text.indexOf('\n\n')
  if (headerEnd < 0) throw new MalformedObject('a commit without an end of its header')
  const lines = new HeaderLines(text.slice(0, headerEnd).split('\n'))
  const tree = lines.id('tree ')
  if (tree === undefined) throw new MalformedObject('a commit without a tree')
  const parents: CommitId[] = []
  for (let parent = lines.id('parent '); parent !== undefined; parent = lines.id('parent '))
    parents.push(parent as CommitId)
  const author = lines.identity('author ')
  const committer = lines.identity('committer ')
  const signature = lines.signature()
  lines.end()
  const commit: CommitObject = {
    tree,
    parents,
    author,
    committer,
    ...(signature === undefined ? {} : { signature }),
    message: text.slice(headerEnd + 2),
  }
  const problem = commitProblem(commit)
  if (problem !== undefined) throw new MalformedObject(problem)
  // The promise of this function, kept whatever the parser overlooks.
  if (commitText(commit, true) !== text) throw new MalformedObject('a commit in another form than git writes')
  return commit
}

/** Walks the header lines; each method takes what it is named for, if it comes next. */
class HeaderLines {
  readonly #lines: readonly string[]
  #next = 0

  constructor(lines: readonly string[]) {
    this.#lines = lines
  }

  #take(prefix: string): string | undefined {
    const line = this.#lines[this.#next]
    if (line === undefined || !line.startsWith(prefix)) return undefined
    this.#next++
    return line.slice(prefix.length)
  }

  id(prefix: string): ObjectId | undefined {
    const id = this.#take(prefix)
    if (id === undefined) return undefined
    if (!isObjectId(id)) throw new MalformedObject(`a commit with a bad ${prefix}line`)
    return id
  }

  identity(prefix: string): Identity {
    const match = identityPattern.exec(this.#take(prefix) ?? '')
    if (match === null) throw new MalformedObject(`a commit with a missing or bad ${prefix}line`)
    const [, name, email, seconds] = match
    return { name: name!, email: email!, seconds: Number(seconds) }
  }

  signature(): string | undefined {
    let signature = this.#take(SIGNATURE_HEADER)
    if (signature === undefined) return undefined
    for (let line = this.#take(' '); line !== undefined; line = this.#take(' ')) signature += `\n${line}`
    return signature
  }

  end(): void {
    if (this.#next < this.#lines.length) throw new MalformedObject('a commit with an unknown or misplaced header')
  }
}

function commitText(commit: CommitObject, signed: boolean): string {
  let text = `tree ${commit.tree}\n`
  for (const parent of commit.parents) text += `parent ${parent}\n`
  text += `author ${identityText(commit.author)}\ncommitter ${identityText(commit.committer)}\n`
  if (signed && commit.signature !== undefined)
    text += `${SIGNATURE_HEADER}${commit.signature.replaceAll('\n', '\n ')}\n`
  return `${text}\n${commit.message}`
}

function identityText({ name, email, seconds }: Identity): string {
  return `${name} <${email}> ${seconds} +0000`
}

// git trims such characters from the ends of names and could not tell the fields apart with others.
// oxlint-disable-next-line no-control-regex -- control characters are meant
const unfitForIdentity = /[\x00-\x1f\x7f<>]|^ | $/u

function commitProblem(commit: CommitObject): string | undefined {
  for (const { name, email, seconds } of [commit.author, commit.committer]) {
    if (name === '' || email === '' || unfitForIdentity.test(name) || unfitForIdentity.test(email))
      return 'a commit with an unfit name or e-mail'
    if (!Number.isSafeInteger(seconds) || seconds < 0) return 'a commit with an unfit time'
    if (!isWellFormed(name) || !isWellFormed(email)) return 'a commit with a lone surrogate'
  }
  if (commit.message.includes('\0') || commit.signature?.includes('\0') === true) return 'a commit with a NUL'
  if (!isWellFormed(commit.message)) return 'a commit with a lone surrogate'
  if (commit.signature === '' || commit.signature?.startsWith('\n') === true) return 'a commit with an empty signature'
  return undefined
}
