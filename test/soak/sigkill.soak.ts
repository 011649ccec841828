import { test } from 'vitest'
import { killRepeatedly } from '../sigkill/killing.ts'
import { rounds } from './rounds.ts'

test('SIGKILL, again and again: nothing acknowledged is lost, nothing is halved', async () => {
  for (const seed of rounds('sigkill')) await killRepeatedly(seed, 50)
})
