/**
 * A lock file must name every optional package (the binaries for other platforms) that its packages ask for, or `npm ci`
 * refuses it; and no registry's address, so that everybody's own registry serves.
 */
export function* lockFile(project) {
  for (const file of ['package-lock.json', 'bench/package-lock.json']) {
    const text = project.files.get(file)
    if (text === undefined) continue
    const { packages } = JSON.parse(text)
    for (const [path, entry] of Object.entries(packages)) {
      if (/^https?:/.test(entry.resolved ?? ''))
        yield problem(file, `${path} is bound to a registry: ${entry.resolved}`)
      for (const name of Object.keys(entry.optionalDependencies ?? {})) {
        if (!isLocked(packages, path, name)) yield problem(file, `${path} wants ${name}, which is not locked`)
      }
    }
  }
}

/** Looks where Node would: beside the package, then further and further out. */
function isLocked(packages, path, name) {
  for (let directory = path; ; directory = directory.slice(0, Math.max(0, directory.lastIndexOf('node_modules') - 1))) {
    if (`${directory === '' ? '' : `${directory}/`}node_modules/${name}` in packages) return true
    if (directory === '') return false
  }
}

function problem(file, message) {
  return { file, rule: 'lock-file', message }
}
