import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('../bench/main.mjs', import.meta.url))

/** Runs the bench as it is before any build or install of what it compares with. */
async function bench(...args: string[]): Promise<{ code: number; stderr: string }> {
  try {
    const { stderr } = await promisify(execFile)(process.execPath, [program, ...args])
    return { code: 0, stderr }
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string }
    return { code, stderr }
  }
}

describe('scripts/bench', () => {
  it('names what it can measure', async () => {
    const { code, stderr } = await bench('--help')
    expect(code).toBe(0)
    for (const name of ['put-burst', 'put-sustained', 'merge', 'snapshot-range', 'propagation', 'growth', 'peers'])
      expect(stderr).toMatch(new RegExp(`\\b${name}\\b`))
  })

  it.each([
    ['a row that is none', ['--rows', 'put-one,nothing']],
    ['a flag that is none', ['--fast']],
    ['too few records', ['--records', '10']],
    ['half a round', ['--rounds', '0.5']],
  ])('refuses %s', async (_what, args) => {
    const { code, stderr } = await bench(...args)
    expect(code).toBe(2)
    expect(stderr).toContain('Usage')
  })

  it('sees work that never lets go of the event loop', async () => {
    const source = `
      import { watchingLoop } from ${JSON.stringify(new URL('../bench/loop-delay.mjs', import.meta.url).href)}
      const { loop } = await watchingLoop(async () => {
        const startedAt = performance.now()
        while (performance.now() - startedAt < 150);
      })
      console.log(loop.maxMs)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', source])
    expect(Number(stdout)).toBeGreaterThan(120)
  })

  it('wrote the tables of docs/performance.md from bench/results.json', async () => {
    expect(await bench('--page', '--check')).toEqual({ code: 0, stderr: '' })
  })

  it('tells when they differ', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'atoll-bench-test-'))
    try {
      const file = join(directory, 'results.json')
      const machine = { cpu: 'a', cores: 2, memoryGiB: 4, platform: 'b', node: '20', git: '2' }
      const settings = { records: 10_000, burst: 1_000, rounds: 1, quick: false }
      const rows = [{ title: 'nothing', unit: 'ms', subject: 1 }]
      const groups = { open: { date: '2026-01-01T00:00:00.000Z', seconds: 1, machine, settings, rows, loop: [] } }
      await writeFile(file, JSON.stringify({ schema: 'atoll/bench/v1', groups }))
      const { code, stderr } = await bench('--page', '--check', '--out', file)
      expect(code).toBe(1)
      expect(stderr).toContain('differ')
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
