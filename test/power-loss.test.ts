import { describe, expect, test } from 'vitest'
import { canCutPower, losePowerRepeatedly, powerNote } from './faults/power-loss.ts'

const seed = Number(process.env['ATOLL_POWER_SEED'] ?? 1)

describe.skipIf(!canCutPower)(`a power cut${powerNote}`, () => {
  test(`loses nothing that was acknowledged, and halves nothing (seed ${seed})`, async () => {
    expect(await losePowerRepeatedly(seed, 2, 800)).toBeGreaterThan(0)
  })
})
