import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** What `git fsck --strict` has against the repository of a data directory: nothing, when all is well. */
export function fsckProblems(data: string): string[] {
  const output = execFileSync('git', ['--git-dir', join(data, 'repo.git'), 'fsck', '--strict', '--no-progress'], {
    encoding: 'utf8',
  })
  // What no ref names yet is fine; everything else is not.
  return output.split('\n').filter(line => line !== '' && !line.startsWith('dangling '))
}
