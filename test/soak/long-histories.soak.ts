import { test } from 'vitest'
import { compareLongHistory } from '../../packages/core/test/merge/long-histories.ts'
import { rounds } from './rounds.ts'

test('histories of thousands of commits have one state each, whatever the order of arrival', async () => {
  for (const seed of rounds('long histories')) {
    const commits = 1_500 + (seed % 4) * 1_500
    const plan = { commits, nodes: 2 + (seed % 7), records: 60 + (seed % 5) * 120 }
    await compareLongHistory(seed, plan, [0, 40, commits])
  }
})
