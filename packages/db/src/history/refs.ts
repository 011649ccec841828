import { AtollError, type CommitId, invalid, isAtollError, isObjectId } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { NamedRef, Refs } from '../api/history.ts'
import { looksLikeCommitId } from './commit-names.ts'

/** Where named refs live; stock `git gc` keeps what they name. */
const REF_PREFIX = 'refs/atoll/refs/'
const ZERO_ID = '0'.repeat(40)
const MAX_NAME_LENGTH = 200
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/

/** @throws INVALID */
export function parseRefName(name: unknown): string {
  if (typeof name !== 'string') throw invalid('ref name', 'must be a string')
  const shown = JSON.stringify(name.slice(0, 80))
  if (name === 'main' || looksLikeCommitId(name))
    throw invalid('ref name', `${shown} would be mistaken for a commit: choose another name`)
  if (name.length > MAX_NAME_LENGTH || !namePattern.test(name) || name.split('/').some(isBadPart))
    throw invalid('ref name', `${shown} must be words of letters, digits, . _ and -, with / between them`)
  return name
}

/** What git does not allow at the end of a part, or in it. */
function isBadPart(part: string): boolean {
  return part.endsWith('.') || part.endsWith('.lock') || part.includes('..')
}

/** Named refs of this node: git refs, moved under git's own lock. */
export class RepositoryRefs implements Refs {
  readonly #repository: Repository
  readonly #resolve: (commit: string) => Promise<CommitId>

  /** @param resolve the commit that a name means */
  constructor(repository: Repository, resolve: (commit: string) => Promise<CommitId>) {
    this.#repository = repository
    this.#resolve = resolve
  }

  async get(name: string): Promise<CommitId | undefined> {
    return (await this.#repository.readRef(REF_PREFIX + parseRefName(name))) as CommitId | undefined
  }

  async list(): Promise<NamedRef[]> {
    const idByName = await this.#repository.listRefs(REF_PREFIX)
    return [...idByName].map(([name, id]) => ({ name: name.slice(REF_PREFIX.length), commit: id as CommitId }))
  }

  async update(name: string, next: string, previous: string = ZERO_ID): Promise<NamedRef> {
    const ref = REF_PREFIX + parseRefName(name)
    const expected = parsePrevious(previous)
    const commit = await this.#resolve(next)
    await named(name, this.#repository.updateRef(ref, commit, expected === ZERO_ID ? undefined : expected))
    return { name, commit }
  }

  async delete(name: string, previous: string): Promise<void> {
    await named(name, this.#repository.deleteRef(REF_PREFIX + parseRefName(name), parsePrevious(previous)))
  }
}

/** A compare that failed is told with the name that the user gave, not with where the ref lies. */
async function named(name: string, moving: Promise<void>): Promise<void> {
  try {
    await moving
  } catch (error) {
    if (!isAtollError(error, 'CONFLICT')) throw error
    const { expected, actual } = error.data
    const isInTheWay = expected === undefined && actual === undefined
    const message = isInTheWay
      ? `there cannot be a ref ${name}: another one is in the way`
      : `the ref ${name} names ${actual ?? 'nothing'}, not ${expected ?? 'nothing'}`
    throw new AtollError('CONFLICT', message, { ...error.data, what: name, subject: 'ref' }, { cause: error })
  }
}

/** A whole id: what is compared must not depend on what a name means now. @throws INVALID */
function parsePrevious(previous: unknown): CommitId {
  const id = typeof previous === 'string' ? previous.toLowerCase() : ''
  if (!isObjectId(id))
    throw invalid('previous', 'must be the whole id of a commit, or zeros for a ref that is not there')
  return id as CommitId
}
