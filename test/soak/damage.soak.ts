import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { damageKinds, damageRound, flip, truncate } from '../../packages/db/test/damage-rounds.ts'
import { fillWithPending } from '../../packages/db/test/damage.ts'
import { rounds } from './rounds.ts'

let parent: string
let whole: string
beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'atoll-damage-soak-'))
  whole = join(parent, 'whole')
  await fillWithPending(whole)
})
afterAll(() => rmSync(parent, { recursive: true, force: true }))

test('damage of one file: found or harmless, and repaired with nothing lost that is not named', async () => {
  for (const seed of rounds('damage'))
    for (const what of damageKinds)
      for (const how of [flip, truncate])
        try {
          await damageRound(whole, { what, how, seed: `${what} ${how.name} ${seed}` })
        } catch (cause) {
          throw new Error(`seed ${seed}: ${how.name} of ${what}`, { cause })
        }
})
