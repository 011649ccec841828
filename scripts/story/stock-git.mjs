import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** git as it comes, without anybody's settings. */
const environment = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
}

/** Runs stock git; `{ code, stdout, stderr }`, both trimmed. */
export async function git(...args) {
  try {
    const { stdout, stderr } = await execute('git', args, { env: environment, maxBuffer: 64 * 1024 * 1024 })
    return { code: 0, stdout: stdout.trim(), stderr: stderr.trim() }
  } catch (error) {
    return { code: error.code ?? -1, stdout: (error.stdout ?? '').trim(), stderr: (error.stderr ?? '').trim() }
  }
}

/** What `git fsck --strict` objects to; dangling objects (a merge that nothing names any more) are no fault. */
export async function fsck(repository) {
  const { code, stdout, stderr } = await git('-C', repository, 'fsck', '--strict', '--no-progress')
  const complaints = `${stdout}\n${stderr}`
    .split('\n')
    .filter(line => line !== '' && !/^(notice: |dangling )/.test(line))
  return code === 0 && complaints.length === 0 ? 'clean' : `exit code ${code}: ${complaints.join('; ')}`
}
