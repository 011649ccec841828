import { test } from 'vitest'
import { arriveInOrders } from '../../packages/db/test/replication/arrival-orders.ts'
import { rounds } from './rounds.ts'

test('nodes that are closed and opened while histories arrive, in orders of their own, come to one main', async () => {
  for (const seed of rounds('arrival orders'))
    await arriveInOrders(seed, { commits: 600, nodes: 8, records: 120 }, { nodes: 3, openings: 12 })
})
