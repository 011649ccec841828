import { join } from 'node:path'
import { fsck, git } from './stock-git.mjs'
import { count, indent, say, section, showCommand } from './terminal.mjs'

/** The repositories, read by git as it comes; then the nodes go home. */
export async function askStockGit(islands, checks, directory) {
  section('Plain git', 'What the nodes hold is a git repository. Stock git reads it, while they run.')
  await checkRepositories(islands, checks)
  await showLog(islands[0])
  await checkClone(islands[0], checks, join(directory, 'clone'))

  say()
  const exitCodes = await Promise.all(islands.map(island => island.down()))
  checks.equal('the nodes went down in good order', exitCodes, [0, 0, 0])
}

async function checkRepositories(islands, checks) {
  const faults = await Promise.all(islands.map(({ repository }) => fsck(repository)))
  for (const [index, { name }] of islands.entries()) {
    showCommand(`git -C ${name}/repo.git fsck --strict`, faults[index])
  }
  const mains = await Promise.all(
    islands.map(({ repository }) => git('-C', repository, 'rev-parse', 'refs/heads/main')),
  )
  say()
  checks.equal('git finds nothing to complain about', faults, ['clean', 'clean', 'clean'])
  checks.allEqual(
    'git sees the same main in all three',
    Object.fromEntries(islands.map(({ name }, index) => [name, mains[index].stdout])),
  )
}

async function showLog({ name, repository }) {
  const { stdout } = await git('-C', repository, 'log', '--oneline', '-5', 'main')
  say()
  showCommand(`git -C ${name}/repo.git log --oneline -5`)
  say(indent(indent(stdout)))
}

async function checkClone({ name, repository }, checks, clone) {
  const { code, stderr } = await git('clone', '--quiet', repository, clone)
  const head = await git('-C', clone, 'rev-parse', 'HEAD')
  const main = await git('-C', repository, 'rev-parse', 'main')
  const files = (await git('-C', clone, 'ls-files')).stdout.split('\n')
  const seattle = files.find(file => /^objects\/airports\/(.*\/)?SEA\.json$/.test(file))
  const content = seattle === undefined ? '' : (await git('-C', clone, 'show', `HEAD:${seattle}`)).stdout

  say()
  showCommand(`git clone ${name}/repo.git && cat ${seattle ?? 'SEA.json'}`, `${count(files.length)} files in all`)
  say(indent(indent(content)))
  say()
  checks.equal('git clones it', { code, stderr, head: head.stdout }, { code: 0, stderr: '', head: main.stdout })
  checks.holds('both edits of SEA stand in its file', /Sea-Tac/.test(content) && /SeaTac/.test(content), content)
}
