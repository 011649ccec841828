import { codeFiles, isTest } from './project.mjs'

const maxLines = 500
const maxTestLines = 800

/** A file that no longer fits one head is two files. */
export function* sizes(project) {
  for (const [file, text] of codeFiles(project)) {
    const limit = isTest(file) || isSuite(file) ? maxTestLines : maxLines
    const lines = text.split('\n').length - 1
    if (lines > limit) yield { file, rule: 'sizes', message: `${lines} lines, at most ${limit}: one concept a file` }
  }
}

/** A contract suite is a test that several packages import. */
function isSuite(file) {
  return file.startsWith('packages/testkit/src/') && file.endsWith('-suite.ts')
}
