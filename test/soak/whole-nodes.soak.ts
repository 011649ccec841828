import { test } from 'vitest'
import { playWholeNodes } from '../simulation/whole-nodes.ts'
import { rounds } from './rounds.ts'

test('whole nodes agree and keep what they promised, whatever the seed', async () => {
  for (const seed of rounds('whole-nodes')) await playWholeNodes(String(seed))
})
