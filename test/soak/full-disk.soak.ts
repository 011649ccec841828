import { describe, expect, test } from 'vitest'
import { fillDisk } from '../faults/full-disk.ts'
import { canMount, mountNote } from '../faults/tmpfs.ts'

const sizes = Array.from({ length: 20 }, (_, i) => i + 1)
const valueBytes = [40, 150, 2_000, 20_000, 200_000]

describe.skipIf(!canMount)(`a full disk${mountNote}`, () => {
  describe.each(sizes)('of %i MB', megabytes => {
    test.each(valueBytes)('values of %i bytes: nothing acknowledged is lost, and with room it goes on', async bytes => {
      expect(await fillDisk(megabytes, bytes)).toBeGreaterThan(0)
    })
  })
})
