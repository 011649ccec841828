import { it } from 'vitest'
import { compareLongHistory } from './long-histories.ts'

it('a history of 2,000 commits by 8 nodes has one state, out of order and at random', async () => {
  await compareLongHistory(1, { commits: 2_000, nodes: 8, records: 300 }, [40, 2_000])
}, 120_000)
