import { simulateScale } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { shippedRules } from '../../packages/db/test/simulated-rules.ts'

/** `ATOLL_SCALE=3,10,50,200` as `scripts/scale` sets it: prints a line of the table in `docs/scale.md` for each. */
const asked = process.env['ATOLL_SCALE']

it.each((asked ?? '3,10').split(',').map(Number))(
  '%i nodes that write at once',
  { timeout: 3_600_000 },
  async nodes => {
    const report = await simulateScale(nodes, shippedRules)
    expect(report.failure).toBeUndefined()
    if (asked !== undefined) process.stdout.write(`${lineOf(report)}\n`)
    // What it wrote, and what came of it: a node that told of each adoption would say as many things as there are nodes.
    expect(report.announcements).toBeLessThanOrEqual(3 * nodes)
    // A head reaches everybody by gossip and one fetch, long before the timer would bring it.
    expect(report.convergedMs).toBeLessThan(5_000)
  },
)

function lineOf(report: Awaited<ReturnType<typeof simulateScale>>): string {
  const { nodes, announcements, gossipMessages, gossipBytes, requests, streamBytes, merges, convergedMs } = report
  const cells = [
    nodes,
    announcements,
    gossipMessages,
    `${Math.round(gossipBytes / 1000)} KB`,
    requests,
    `${Math.round(streamBytes / 1000)} KB`,
    merges,
    `${Math.round(convergedMs)} ms`,
  ]
  return `| ${cells.join(' | ')} |`
}
