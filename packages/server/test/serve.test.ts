import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readDoorFile } from '../src/door-file.ts'
import { serve, type Door, type ServeOptions } from '../src/serve.ts'
import { fakeDatabase, type FakeDatabase } from './fake-database.ts'

let directory: string
let db: FakeDatabase
const doors: Door[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-serve-'))
  db = fakeDatabase()
})
afterEach(async () => {
  await Promise.all(doors.splice(0).map(door => door.close()))
  await rm(directory, { recursive: true, force: true })
})

async function open(options: Partial<ServeOptions> = {}): Promise<Door> {
  const door = await serve(db, { directory, ...options })
  doors.push(door)
  return door
}

describe('serve', () => {
  it('leaves the way to it in door.json, for its owner only, and takes it away again', async () => {
    const door = await open()
    expect(door.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await readDoorFile(directory)).toEqual({ pid: process.pid, url: door.url, token: door.token })
    expect((await stat(join(directory, 'door.json'))).mode & 0o777).toBe(0o600)
    const response = await fetch(`${door.url}/v1/status`, { headers: { authorization: `Bearer ${door.token}` } })
    expect(await response.json()).toMatchObject({ schema: 'atoll/status/v1' })
    await door.close()
    await door.close()
    expect(await readdir(directory)).toEqual([])
    await expect(fetch(door.url)).rejects.toThrow()
  })

  it('leaves the door of another alone', async () => {
    const door = await open()
    const other = { pid: 1, url: 'http://127.0.0.1:1', token: 'other' }
    await writeFile(join(directory, 'door.json'), JSON.stringify(other))
    await door.close()
    expect(await readDoorFile(directory)).toEqual(other)
  })

  it('says ADDRESS_IN_USE for a port that is taken', async () => {
    const { url } = await open()
    await expect(serve(db, { directory, port: Number(new URL(url).port) })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      data: { address: new URL(url).host },
    })
  })

  it('answers the request for its end before it ends', async () => {
    const ended = new Promise<void>(resolve => void open({ onShutdown: resolve }).then(() => askForEnd()))
    await ended
    async function askForEnd(): Promise<void> {
      const [door] = doors
      const headers = { authorization: `Bearer ${door!.token}` }
      expect((await fetch(`${door!.url}/v1/shutdown`, { method: 'POST', headers })).status).toBe(202)
    }
  })

  it('refuses headers beyond the limit, and requests without a Host', async () => {
    const { url } = await open()
    expect(await raw(url, `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toContain(
      ' 431 ',
    )
    expect(await raw(url, 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n')).toContain(' 400 ')
    expect(await raw(url, 'GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')).toContain(' 403 ')
  })

  it('reads nothing of a door file that is damaged', async () => {
    expect(await readDoorFile(directory)).toBeUndefined()
    for (const text of ['', '{', '[]', '{"pid":"1","url":"x","token":"y"}', '{"pid":1.5,"url":"x","token":"y"}']) {
      await writeFile(join(directory, 'door.json'), text)
      expect(await readDoorFile(directory)).toBeUndefined()
    }
  })
})

function raw(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(request))
    let text = ''
    socket.on('data', chunk => (text += chunk.toString()))
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
  })
}
