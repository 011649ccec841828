import { sampleScripts } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { arriveInOrders } from './arrival-orders.ts'

it('nodes that are opened and closed while a history arrives, at each in another order, come to one main', async () => {
  // A loop that is stopped takes a second each time.
  const scripts = sampleScripts.map(({ source }) => source).filter(source => !source.includes('for (;;)'))
  const plan = { commits: 90, nodes: 8, records: 30, scripts }
  const { scriptRuns } = await arriveInOrders(8, plan, { nodes: 2, openings: 4 })
  // Else another seed is better.
  expect(scriptRuns).toBeGreaterThan(0)
}, 60_000)
