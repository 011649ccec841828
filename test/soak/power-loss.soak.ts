import { describe, test } from 'vitest'
import { canCutPower, losePowerRepeatedly, powerNote } from '../faults/power-loss.ts'
import { rounds } from './rounds.ts'

describe.skipIf(!canCutPower)(`a power cut${powerNote}`, () => {
  test('again and again, loses nothing that was acknowledged, and halves nothing', async () => {
    for (const seed of rounds('power loss')) {
      const acknowledged = await losePowerRepeatedly(seed, 5, 2_000)
      // oxlint-disable-next-line no-console -- says what a run was worth
      console.log(`seed ${seed}: ${acknowledged} acknowledged writes`)
    }
  })
})
