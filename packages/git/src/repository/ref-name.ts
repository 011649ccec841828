import { invalid } from '@atolldb/core'

// git-check-ref-format(1), rules 1 to 9.
// oxlint-disable-next-line no-control-regex -- control characters are among the forbidden
const forbidden = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/$|\.$/
const MAX_REF_NAME_LENGTH = 512

/** Does git allow it as a name below `refs/`? */
export function isRefName(name: string): boolean {
  if (!name.startsWith('refs/') || name.length > MAX_REF_NAME_LENGTH || forbidden.test(name)) return false
  return name.split('/').every(part => !part.startsWith('.') && !part.endsWith('.lock'))
}

/** @throws INVALID */
export function checkRefName(name: string): void {
  if (!isRefName(name)) throw invalid('ref name', `${JSON.stringify(name.slice(0, 80))} is not allowed by git`)
}
