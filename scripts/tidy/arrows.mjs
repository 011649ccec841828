import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { codeFiles, isTest, packageOf } from './project.mjs'
import { importsOf } from './syntax.mjs'

/**
 * The one-way arrows between packages: what a package imports ⊆ what it declares ⊆ this table (docs/architecture.md).
 * npm workspaces and `tsc -b` alone would let any package import any other.
 */
const arrowsByPackage = {
  core: [],
  git: ['core'],
  glob: ['core'],
  db: ['core', 'git', 'glob'],
  server: ['db', 'core'],
  client: [],
  cli: ['db', 'server', 'client', 'core'],
  testkit: ['core', 'git'],
}

/** The client speaks HTTP and shares nothing but types, which leave no trace in what it ships. */
const typesByPackage = { client: ['core', 'db'] }

export function* arrows(project) {
  yield* declaredArrows(project)
  for (const [path, text] of codeFiles(project)) {
    const owner = packageOf(project, path)
    for (const entry of importsOf(path, text)) {
      const problem = entry.specifier.startsWith('.')
        ? relativeProblem(project, owner, path, entry)
        : bareProblem(project, owner, path, entry)
      if (problem !== undefined) yield { file: path, line: entry.line, rule: 'arrows', message: problem }
    }
  }
}

/** Declared dependencies on packages of ours ⊆ the table. */
function* declaredArrows(project) {
  for (const { directory, manifest, manifestPath } of project.packages) {
    const allowed = arrowsByPackage[directory]
    if (allowed === undefined) {
      yield {
        file: manifestPath,
        rule: 'arrows',
        message: `package ${directory} is not in the table of scripts/tidy/arrows.mjs`,
      }
      continue
    }
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      const target = project.packages.find(candidate => candidate.name === name)
      if (target === undefined || allowed.includes(target.directory)) continue
      yield { file: manifestPath, rule: 'arrows', message: `${directory} may not depend on ${target.directory}` }
    }
  }
}

function relativeProblem(project, owner, path, { specifier }) {
  const target = posix.normalize(posix.join(posix.dirname(path), specifier))
  const targetOwner = target.startsWith('..') ? null : packageOf(project, target)
  // What crosses packages stands in test/, and may build upon what the tests of one package use.
  if (owner === undefined && isTest(path) && isTest(target)) return undefined
  if (targetOwner !== owner) return `${specifier} leaves its package: import it by name`
  if (owner !== undefined && !isTest(path) && isTest(target)) return `${specifier}: shipped code imports a test`
  return undefined
}

function bareProblem(project, owner, path, entry) {
  const { specifier } = entry
  if (isBuiltin(specifier)) return specifier.startsWith('node:') ? undefined : `write node:${specifier}`
  if (owner === undefined) return undefined
  const name = packageNameOf(specifier)
  const target = project.packages.find(candidate => candidate.name === name)
  if (target === undefined) return foreignProblem(project, owner, path, name)
  if (isTest(path)) return testArrowProblem(owner, target)
  return shippedArrowProblem(owner, target, entry)
}

/** Other people's packages: shipped code declares them; tests and the testkit may also use the root's development tools. */
function foreignProblem(project, owner, path, name) {
  const { dependencies = {}, devDependencies = {} } = owner.manifest
  const developmentOnly = isTest(path) || owner.directory === 'testkit'
  const declared = developmentOnly
    ? { ...dependencies, ...devDependencies, ...project.rootManifest.devDependencies }
    : dependencies
  return name in declared ? undefined : `${name} is not declared in packages/${owner.directory}/package.json`
}

function testArrowProblem(owner, target) {
  const allowed = [owner.directory, 'testkit', ...arrowsByPackage[owner.directory]]
  const types = typesByPackage[owner.directory] ?? []
  if (allowed.includes(target.directory) || types.includes(target.directory)) return undefined
  return `tests of ${owner.directory} may not import ${target.directory}: what crosses packages stands in test/`
}

function shippedArrowProblem(owner, target, { typeOnly }) {
  if (target === owner) return `${owner.directory} imports itself by name`
  if (typeOnly && (typesByPackage[owner.directory] ?? []).includes(target.directory)) return undefined
  if (!(arrowsByPackage[owner.directory] ?? []).includes(target.directory))
    return `${owner.directory} may not import ${target.directory}`
  if (!(target.name in (owner.manifest.dependencies ?? {})))
    return `${target.name} is not declared in packages/${owner.directory}/package.json`
  return undefined
}

function packageNameOf(specifier) {
  const [scopeOrName, name] = specifier.split('/')
  return specifier.startsWith('@') ? `${scopeOrName}/${name}` : scopeOrName
}
