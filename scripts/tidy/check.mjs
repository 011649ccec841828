import { arrows } from './arrows.mjs'
import { cycles } from './cycles.mjs'
import { documents } from './documents.mjs'
import { leftovers } from './leftovers.mjs'
import { lockFile } from './lock-file.mjs'
import { manifests } from './manifests.mjs'
import { names } from './names.mjs'
import { compareText, readProject } from './project.mjs'
import { purity } from './purity.mjs'
import { sizes } from './sizes.mjs'

const rules = [arrows, cycles, documents, leftovers, lockFile, manifests, names, purity, sizes]

/** Checks the repository at `root`; an empty list is a tidy one. */
export function check(root) {
  const project = readProject(root)
  const problems = rules.flatMap(rule => [...rule(project)])
  problems.sort((a, b) => compareText(a.file, b.file) || (a.line ?? 0) - (b.line ?? 0))
  return { problems, fileCount: project.files.size }
}
