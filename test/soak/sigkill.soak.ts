import { test } from 'vitest'
import { killWhoFollows } from '../sigkill/following.ts'
import { killRepeatedly } from '../sigkill/killing.ts'
import { rounds } from './rounds.ts'

test('SIGKILL, again and again: nothing acknowledged is lost, nothing is halved', async () => {
  for (const seed of rounds('sigkill')) await killRepeatedly(seed, 50)
})

test('SIGKILL, again and again: the feed misses nothing and keeps its order', async () => {
  for (const seed of rounds('sigkill of the feed')) await killWhoFollows(seed, 30)
})
