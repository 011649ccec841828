import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { describe, expect, test } from 'vitest'
import { fillDisk } from './faults/full-disk.ts'
import { canMount, mountNote, withTmpfs } from './faults/tmpfs.ts'

/** Where nothing can be mounted, files that fail stand in: packages/db/test/record-store.test.ts, packages/git/test/crash.test.ts. */
describe.skipIf(!canMount)(`a full disk${mountNote}`, () => {
  test('makes LevelDB lose what it acknowledges afterwards: why the view is never the only copy', async () => {
    await withTmpfs(1, async disk => {
      const directory = join(disk.path, 'level')
      const level = new ClassicLevel(directory)
      await expect(putUntilItFails(level)).rejects.toMatchObject({ code: 'LEVEL_IO_ERROR' })
      disk.resize(64)
      const later = Array.from({ length: 200 }, (_, i) => `later ${i}`)
      for (const key of later) await level.put(key, 'acknowledged', { sync: true })
      await level.close()
      await level.open()
      const found = await level.getMany(later)
      await level.close()
      expect(found.filter(value => value === undefined).length).toBeGreaterThan(0)
    })
  })

  test.each([
    [1, 150],
    [3, 2_000],
    [8, 20_000],
  ])(
    'of %i MB, values of %i bytes: nothing acknowledged is lost, and with room it goes on',
    async (megabytes, bytes) => {
      expect(await fillDisk(megabytes, bytes)).toBeGreaterThan(100)
    },
  )
})

async function putUntilItFails(level: ClassicLevel): Promise<never> {
  for (let i = 0; ; i++) await level.put(`key ${i}`, 'x'.repeat(1_000), { sync: true })
}
