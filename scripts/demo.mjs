/**
 * The main job of Atoll, shown by real processes on real data: three nodes without a master, one goes offline, everybody
 * writes on, it comes back, and all agree. Every claim is checked; exit code 0 only if all hold.
 *
 *   node scripts/demo.mjs [--keep]      --keep leaves the nodes' directories behind
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Checks } from './story/checks.mjs'
import { CommandFailed, Island } from './story/island.mjs'
import { tellStory } from './story/story.mjs'
import { bold, dim, green, indent, red, say, seconds } from './story/terminal.mjs'

const { values: options } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })

const startedAt = performance.now()
const directory = mkdtempSync(join(tmpdir(), 'atoll-demo-'))
const islands = ['a', 'b', 'c'].map(name => new Island(name, directory))
const checks = new Checks()

// However the program ends, no node outlives it and nothing is left behind.
process.on('exit', () => {
  for (const island of islands) island.kill()
  if (!options.keep) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
})
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

try {
  await tellStory(islands, checks, directory)
} catch (error) {
  checks.failures.push({
    claim: 'the story runs to its end',
    explanation: error instanceof CommandFailed ? error.message : error.stack,
  })
}

say()
if (checks.failures.length === 0) {
  say(`${green('✓')} ${bold(`All ${checks.passed} checks hold`)}, in ${seconds(performance.now() - startedAt)}.`)
} else {
  say(`${red('✗')} ${bold(`${checks.failures.length} of ${checks.passed + checks.failures.length} checks failed:`)}`)
  for (const { claim, explanation } of checks.failures) say(indent(`${red('✗')} ${claim}\n  ${explanation}`))
  for (const island of islands) {
    const lines = island.logTail()
    if (lines !== '') say(indent(`\n${dim(`the last lines of node ${island.name}:`)}\n${lines}`))
  }
}
if (options.keep) say(`The nodes' directories: ${directory}`)
process.exit(checks.failures.length === 0 ? 0 : 1)
