import { createClient } from '@atolldb/client'
import { createApp } from '@atolldb/server'
import { open } from 'atolldb'
import { expect, onTestFinished, test } from 'vitest'

test('drop through the client is that of the library', async () => {
  const db = await open('./unused', { storage: 'memory' })
  onTestFinished(() => db.close())
  const app = createApp(db, { token: 'token' })
  const client = createClient({
    url: 'http://localhost',
    token: 'token',
    fetch: (url, request) => app.request(url, request),
  })
  await db.object('farms').put('north', 1)
  await db.list('farms').insertMany([1, 2])

  expect(await client.drop(client.list('farms'))).toEqual({ records: 2 })
  expect(await client.drop({ kind: 'objects', name: 'farms' })).toEqual({ records: 1 })
  expect(await client.drop(client.object('farms'))).toEqual({ records: 0 })
  expect(await client.collections()).toEqual([])
  for (const bad of [
    { kind: 'tuples', name: 'farms' },
    { kind: 'objects', name: 'Farms' },
  ])
    await expect(client.drop(bad as never)).rejects.toMatchObject({ code: 'INVALID', status: 400 })

  // A request that lost its id on the way deletes nothing.
  await db.object('farms').put('north', 1)
  const headers = { authorization: 'Bearer token' }
  for (const path of ['/v1/objects/farms', '/v1/collections/objects/farms?id=north']) {
    const response = await app.request(`http://localhost${path}`, { method: 'DELETE', headers })
    expect(response.status).toBe(400)
  }
  expect(await db.object('farms').count()).toBe(1)
})
