import { posix } from 'node:path'
import { codeFiles, isTest, packageOf } from './project.mjs'
import { importsOf } from './syntax.mjs'

const exactVersion = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/
const dependencyFields = ['dependencies', 'devDependencies', 'optionalDependencies']

/** package.json and tsconfig.json: exact versions, our own packages at their own version, project references complete. */
export function* manifests(project) {
  for (const [file, text] of project.files) {
    if (posix.basename(file) === 'package.json') yield* versions(project, file, JSON.parse(text))
  }
  yield* references(project)
}

function* versions(project, file, manifest) {
  for (const field of dependencyFields) {
    for (const [name, version] of Object.entries(manifest[field] ?? {})) {
      const own = project.packages.find(candidate => candidate.name === name)
      if (own !== undefined && version !== own.manifest.version && !version.startsWith('file:'))
        yield problem(file, `${name} ${version}: ours is ${own.manifest.version}`)
      else if (own === undefined && !exactVersion.test(version))
        yield problem(file, `${name} ${version}: pin the exact version`)
    }
  }
}

/** `tsc -b` builds in the right order only if a package references every package of ours that it imports. */
function* references(project) {
  for (const owner of project.packages) {
    const file = `packages/${owner.directory}/tsconfig.json`
    const text = project.files.get(file)
    if (text === undefined) continue
    const referenced = new Set((JSON.parse(text).references ?? []).map(reference => posix.basename(reference.path)))
    for (const directory of importedPackages(project, owner)) {
      if (!referenced.has(directory)) yield problem(file, `imports ${directory} without a reference to it`)
    }
  }
}

function importedPackages(project, owner) {
  const imported = new Set()
  for (const [path, text] of codeFiles(project)) {
    if (packageOf(project, path) !== owner || isTest(path)) continue
    for (const { specifier } of importsOf(path, text)) {
      const target = project.packages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))
      if (target !== undefined && target !== owner) imported.add(target.directory)
    }
  }
  return imported
}

function problem(file, message) {
  return { file, rule: 'manifests', message }
}
