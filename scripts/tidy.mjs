/**
 * `npm run tidy`: the rules of this repository as a program. Prints one line a problem, exits 1 if there is any.
 * What the rules are: scripts/tidy/. That each of them bites: test/tidy.test.ts.
 */
import { fileURLToPath } from 'node:url'
import { check } from './tidy/check.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { problems, fileCount } = check(root)

for (const { file, line, rule, message } of problems) {
  console.error(`${file}${line === undefined ? '' : `:${line}`}  ${message}  [${rule}]`)
}
if (problems.length > 0) {
  console.error(`\ntidy: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in ${fileCount} files`)
  process.exitCode = 1
} else {
  console.log(`tidy: ${fileCount} files in order`)
}
