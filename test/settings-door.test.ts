import { createClient } from '@atolldb/client'
import { createApp } from '@atolldb/server'
import { open } from 'atolldb'
import { expect, onTestFinished, test } from 'vitest'

test('settings and scripts through the client are those of the library', async () => {
  const db = await open('./unused', { storage: 'memory' })
  onTestFinished(() => db.close())
  const app = createApp(db, { token: 'token' })
  const client = createClient({
    url: 'http://localhost',
    token: 'token',
    fetch: (url, request) => app.request(url, request),
  })

  await client.scripts.put('sum', '(base, versions) => versions.length')
  expect(await db.scripts.list()).toEqual(['sum'])
  expect(await client.scripts.get('sum')).toBe('(base, versions) => versions.length')
  const schema = { required: ['crop'] }
  expect(await client.configure('farms', { policy: 'script:sum', schema })).toEqual({ policy: 'script:sum', schema })
  expect(await client.configure('farms', { policy: null })).toEqual({ schema })
  expect(await db.settings('farms')).toEqual(await client.settings('farms'))
  expect(await client.settings('farms', { kind: 'lists' })).toEqual({})

  const put = client.object<unknown>('farms').put('north', {})
  await expect(put).rejects.toMatchObject({ code: 'SCHEMA', status: 422, data: { path: '', rule: 'required' } })
  await expect(client.scripts.put('bad', '42')).rejects.toMatchObject({ code: 'INVALID', status: 400 })
  await expect(client.configure('farms', { policy: 'script:none' })).rejects.toMatchObject({ code: 'MISSING' })
  expect([await client.scripts.delete('sum'), await client.scripts.delete('sum')]).toEqual([true, false])
  expect(await client.scripts.get('sum')).toBeUndefined()
})
