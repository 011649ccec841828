import { posix } from 'node:path'
import { codeFiles } from './project.mjs'
import { importsOf } from './syntax.mjs'

/** No two files import each other, directly or around a corner. Type imports do not count: they are gone when it runs. */
export function* cycles(project) {
  const graph = new Map()
  for (const [path, text] of codeFiles(project)) graph.set(path, targetsOf(project, path, text))

  const done = new Set()
  for (const start of graph.keys()) {
    const cycle = findCycle(graph, start, done, [])
    if (cycle !== undefined) yield { file: cycle[0], rule: 'cycles', message: `import cycle: ${cycle.join(' → ')}` }
  }
}

function targetsOf(project, path, text) {
  return importsOf(path, text)
    .filter(entry => !entry.typeOnly && entry.specifier.startsWith('.'))
    .map(entry => posix.normalize(posix.join(posix.dirname(path), entry.specifier)))
    .filter(target => project.files.has(target))
}

/** Depth first; `done` are the files known to lie on no unreported cycle. */
function findCycle(graph, path, done, trail) {
  const index = trail.indexOf(path)
  if (index >= 0) return [...trail.slice(index), path]
  if (done.has(path)) return undefined
  trail.push(path)
  for (const target of graph.get(path) ?? []) {
    const cycle = findCycle(graph, target, done, trail)
    if (cycle !== undefined) {
      for (const member of cycle) done.add(member)
      return cycle
    }
  }
  trail.pop()
  done.add(path)
  return undefined
}
