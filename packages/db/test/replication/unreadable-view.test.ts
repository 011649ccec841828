import { expect, onTestFinished, test, vi } from 'vitest'
import { AtollError } from '@atolldb/core'
import { MemoryNetwork } from '@atolldb/testkit'
import { View } from '../../src/view/view.ts'
import { openCluster, settled } from './nodes.ts'

test('a view that cannot be read for a while keeps nobody from adopting, nor from writing afterwards', async () => {
  const [first, second] = await openCluster(new MemoryNetwork(), 2)
  const farms = first!.db.object('farms')
  const reads = vi.spyOn(View.prototype, 'get').mockImplementation(() => {
    throw new AtollError('STORAGE_FAILED', 'injected', { path: 'view', reason: 'injected' })
  })
  onTestFinished(() => reads.mockRestore())
  // Concurrent, so that there is a merge.
  await Promise.all([farms.put('north', 1), second!.db.object('farms').put('south', 2)])
  await settled(first!, second!)
  await expect(farms.get('south')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  reads.mockRestore()
  expect([await farms.get('north'), await farms.get('south')]).toEqual([1, 2])
  await farms.put('west', 3)
  await settled(first!, second!)
  expect(await second!.db.object('farms').get('west')).toBe(3)
})
