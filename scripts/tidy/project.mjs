import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The repository as the rules see it: every text file of ours by its path (relative, forward slashes), and the packages
 * with their manifests. Nothing is written and no tool is run.
 */

const skippedDirectories = new Set(['node_modules', 'dist', '.git', 'coverage'])
const textFile = /\.(ts|mts|js|mjs|json|md)$|^(scripts|\.ci)\/[^./]+$/
const codeFile = /\.(ts|mts|js|mjs)$/

export function readProject(root) {
  const files = new Map()
  const paths = [...walk(root, '')].sort(compareText)
  for (const path of paths) if (textFile.test(path)) files.set(path, readFileSync(join(root, path), 'utf8'))
  return { root, paths, files, packages: packagesOf(files), rootManifest: manifestOf(files, 'package.json') }
}

/** Source files in any of our languages, as [path, text]. */
export function codeFiles(project) {
  return [...project.files].filter(([path]) => codeFile.test(path))
}

/** The package that a path belongs to, or undefined outside `packages/`. */
export function packageOf(project, path) {
  return project.packages.find(candidate => path.startsWith(`packages/${candidate.directory}/`))
}

export function isTest(path) {
  return /(^|\/)test\//.test(path)
}

/** By code units: the order that no locale changes. */
export function compareText(a, b) {
  return a < b ? -1 : a > b ? 1 : 0
}

function* walk(root, directory) {
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`
    if (entry.isDirectory() && !skippedDirectories.has(entry.name)) yield* walk(root, path)
    else if (entry.isFile()) yield path
  }
}

function packagesOf(files) {
  const packages = []
  for (const path of files.keys()) {
    const directory = /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1]
    if (directory === undefined) continue
    const manifest = manifestOf(files, path)
    packages.push({ directory, name: manifest.name, manifest, manifestPath: path })
  }
  return packages
}

function manifestOf(files, path) {
  const text = files.get(path)
  return text === undefined ? {} : JSON.parse(text)
}
