import { codeFiles } from './project.mjs'

/** Words that name a drawer, not a concept. */
const drawers = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'misc'])
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/

/** File and directory names: kebab-case, and each says what is inside. */
export function* names(project) {
  for (const [file] of codeFiles(project)) {
    for (const segment of file.split('/')) {
      if (!kebabCase.test(segment)) yield { file, rule: 'names', message: `${segment} is not kebab-case` }
      const drawer = segment.replace(/\..*$/, '').split('-').findLast(isDrawer)
      if (drawer !== undefined)
        yield { file, rule: 'names', message: `${segment}: "${drawer}" names a drawer, not a concept` }
    }
  }
}

/** "common" is a drawer at the end of a name only: `common-past` is a concept. */
function isDrawer(word, index, words) {
  return word === 'common' ? index === words.length - 1 : drawers.has(word)
}
