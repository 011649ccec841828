import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

/** The command as people run it: processes of the built package, directories on disk, nodes on loopback. */

const bin = fileURLToPath(new URL('../packages/cli/bin/atoll.js', import.meta.url))
const airports = fileURLToPath(new URL('../node_modules/vega-datasets/data/airports.csv', import.meta.url))
const weather = fileURLToPath(
  new URL('../node_modules/vega-datasets/data/seattle-weather-hourly-normals.csv', import.meta.url),
)

let parent: string
let data: string
const nodes: ChildProcessWithoutNullStreams[] = []

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'atoll-e2e-'))
  data = join(parent, 'a')
})
afterEach(async () => {
  for (const node of nodes.splice(0)) {
    if (node.exitCode !== null || node.signalCode !== null) continue
    node.kill('SIGKILL')
    await once(node, 'exit')
  }
  await rm(parent, { recursive: true, force: true })
})

interface Result {
  code: number | null
  stdout: string
  stderr: string
}

function start(args: readonly string[], directory = data): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [bin, '--data', directory, ...args], { cwd: tmpdir() })
}

async function run(args: readonly string[], { stdin = '', directory = data } = {}): Promise<Result> {
  const child = start(args, directory)
  const result: Result = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()))
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin)
  ;[result.code] = (await once(child, 'close')) as [number | null]
  return result
}

/** Runs a command that must succeed; its stdout without the last line end. */
async function atoll(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args)
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.replace(/\n$/, '')
}

interface Ready {
  node: string
  addresses: string[]
  http: string
  cluster: string
}

interface Node {
  child: ChildProcessWithoutNullStreams
  ready: Ready
}

/** Starts a node, and waits for its word that it is ready. */
async function up(args: readonly string[] = [], directory = data): Promise<Node> {
  const child = start(['up', ...args], directory)
  nodes.push(child)
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { event: string }
    if (event.event !== 'ready') continue
    child.stdout.resume()
    return { child, ready: event as unknown as Ready }
  }
  throw new Error(`the node did not become ready: ${stderr}`)
}

describe('without a running node', () => {
  it('keeps records from one command to the next', async () => {
    const node = await atoll('init', '--name', 'barn')
    expect(node).toMatch(/^12D3Koo/)
    expect(await atoll('init')).toBe(node)
    const version = await atoll('put', 'farms', 'north', '{"crop":"rye"}')
    expect(version).toMatch(/^[0-9a-f]{40}$/)
    expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
    expect(JSON.parse(await atoll('get', 'farms', 'north', '--json'))).toEqual({
      schema: 'atoll/record/v1',
      collection: 'farms',
      id: 'north',
      value: { crop: 'rye' },
      version,
    })
    await atoll('patch', 'farms', 'north', '{"area":12}')
    expect(await atoll('get', 'farms', 'north')).toBe('{"area":12,"crop":"rye"}')
    const id = await atoll('insert', 'readings', '{"t":21.5}')
    expect(await atoll('ls')).toBe('farms     Object  1\nreadings  List    1')
    expect(await atoll('get', 'readings', id)).toBe('{"t":21.5}')
    expect(await atoll('count', 'readings')).toBe('1')
    await atoll('del', 'readings', id)
    await atoll('del', 'readings', id)
    expect(await atoll('count', 'readings', '--json')).toContain('"records":0')
    const commit = await atoll('flush')
    expect(commit).toMatch(/^[0-9a-f]{40}$/)
    const compacted = JSON.parse(await atoll('compact', '--json')) as object
    expect(compacted).toMatchObject({ schema: 'atoll/compact/v1', packsAfter: 1 })
    expect(await atoll('compact')).toBe('')
    const [entry] = (await atoll('log', '--json')).split('\n').map(line => JSON.parse(line) as { commit: string })
    expect(entry).toMatchObject({ schema: 'atoll/log/v1', commit, author: { name: 'barn' } })
    expect(JSON.parse(await atoll('status', '--json'))).toMatchObject({
      schema: 'atoll/status/v1',
      main: commit,
      name: 'barn',
    })
  })

  it('takes values from stdin, bytes from files, and gives them back as they were', async () => {
    await atoll('init')
    expect((await run(['put', 'farms', 'north', '-'], { stdin: ' {"crop" : "rye"}\n' })).code).toBe(0)
    expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    await writeFile(join(parent, 'photo'), bytes)
    await atoll('put', 'farms', 'photo', '--bytes', join(parent, 'photo'))
    const child = start(['get', 'farms', 'photo'])
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(child, 'close')
    expect(Buffer.concat(chunks)).toEqual(bytes)
    expect(await atoll('put', 'farms', 'n', '--', '-5')).toMatch(/^[0-9a-f]{40}$/)
    expect(await atoll('get', 'farms', 'n')).toBe('-5')
  })

  it('lists ranges', async () => {
    await atoll('init')
    const lines = ['a', 'b', 'c', 'd'].map(id => JSON.stringify({ id, value: { is: id } })).join('\n')
    expect((await run(['import', 'farms', '-', '--format', 'jsonl'], { stdin: lines })).code).toBe(0)
    expect(await atoll('ls', 'farms', '--json')).toBe(lines)
    expect(await atoll('ls', 'farms', '--from', 'b', '--to', 'd')).toBe('b  {"is":"b"}\nc  {"is":"c"}')
    expect(await atoll('ls', 'farms', '--reverse', '--limit', '1', '--json')).toBe('{"id":"d","value":{"is":"d"}}')
  })

  it('ends in order when its reader has seen enough', async () => {
    await atoll('init')
    await atoll('import', 'airports', airports, '--id', 'iata')
    const child = start(['ls', 'airports', '--json'])
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [code] = (await once(child, 'exit')) as [number]
    expect(code).toBe(0)
  })

  it('remembers to stay offline', async () => {
    await atoll('init')
    await atoll('offline')
    expect(JSON.parse(await atoll('status', '--json'))).toMatchObject({ state: 'offline' })
    await atoll('online')
    expect(JSON.parse(await atoll('status', '--json'))).toMatchObject({ state: 'alone' })
  })
})

describe('import', () => {
  it('reads real CSV into an Object and a List', async () => {
    await atoll('init')
    const result = JSON.parse(await atoll('import', 'airports', airports, '--id', 'iata', '--json')) as object
    expect(result).toMatchObject({ schema: 'atoll/import/v1', kind: 'objects', records: 3376, batches: 4, skipped: 0 })
    expect(await atoll('count', 'airports')).toBe('3376')
    expect(JSON.parse(await atoll('get', 'airports', '00M'))).toEqual({
      iata: '00M',
      name: 'Thigpen',
      city: 'Bay Springs',
      state: 'MS',
      country: 'USA',
      latitude: 31.95376472,
      longitude: -89.23450472,
    })
    expect(JSON.parse(await atoll('get', 'airports', '0E0'))).toMatchObject({ iata: '0E0' })
    const first = await run(['import', 'weather', weather, '--list'])
    expect(first.stderr).toContain('8,759 records in 9 batches')
    const again = await run(['import', 'weather', weather, '--list'])
    expect(again.stderr).toContain('8,759 records already')
    expect(await atoll('count', 'weather')).toBe('17518')
  })

  it('stops at the first bad row, says its line and what was kept', async () => {
    await atoll('init')
    const rows = Array.from({ length: 1500 }, (_, i) => `${i},x`)
    const file = join(parent, 'rows.csv')
    await writeFile(file, ['id,name', ...rows, '7,again', '2000,y'].join('\n'))
    const { code, stderr } = await run(['import', 'rows', file, '--id', 'id'])
    expect(code).toBe(1)
    expect(stderr).toContain('line 1502')
    expect(stderr).toContain('line 9')
    expect(stderr).toContain('1000 records')
    expect(await atoll('count', 'rows')).toBe('1000')
    const skipping = JSON.parse(await atoll('import', 'rows', file, '--id', 'id', '--skip-bad', '--json')) as object
    expect(skipping).toMatchObject({ records: 1501, skipped: 1 })
    await atoll('import', 'rows', file, '--id', 'id', '--on-duplicate', 'last')
    expect(JSON.parse(await atoll('get', 'rows', '7'))).toEqual({ id: 7, name: 'again' })
  })
})

/** One directory for all of them: none may change it. */
describe('a bad command', () => {
  let shared: string
  beforeAll(async () => {
    shared = await mkdtemp(join(tmpdir(), 'atoll-e2e-bad-'))
    for (const args of [['init'], ['put', 'farms', 'north', '{"crop":"rye"}'], ['insert', 'readings', '1']])
      expect((await run(args, { directory: shared })).code).toBe(0)
  })
  afterAll(() => rm(shared, { recursive: true, force: true }))

  it.each([
    [['get', 'farms', 'nowhere'], 3, 'MISSING'],
    [['put', 'farms', 'nowhere', '1', '--update'], 3, 'MISSING'],
    [['patch', 'farms', 'nowhere', '{}'], 3, 'MISSING'],
    [['put', 'farms', 'north', '1', '--create'], 4, 'EXISTS'],
    [['put', 'farms', 'north', '1', '--if-version', '0'.repeat(40)], 4, 'CONFLICT'],
    [['put', 'readings', 'north', '1'], 2, 'UNSUPPORTED'],
    [['patch', 'readings', 'north', '{}'], 2, 'UNSUPPORTED'],
    [['insert', 'farms', '1'], 2, 'UNSUPPORTED'],
    [['put', 'Farms', 'north', '1'], 2, 'INVALID'],
    [['put', '.atoll.members', 'north', '1'], 2, 'INVALID'],
    [['put', 'farms', 'x'.repeat(513), '1'], 2, 'TOO_LARGE'],
    [['put', 'farms', 'a', `${'['.repeat(1000)}${']'.repeat(1000)}`], 2, 'INVALID'],
    [['put', 'farms', 'a', '"\\ud800"'], 2, 'INVALID'],
    [['get', 'readings', 'north'], 2, 'INVALID'],
    [['peers'], 5, 'NOT_RUNNING'],
    [['up', '--listen', 'nonsense'], 2, 'INVALID'],
    [['up', '--cluster', 'nonsense'], 2, 'INVALID'],
  ])('%j gives %i %s', async (args, code, word) => {
    const result = await run(args, { directory: shared })
    expect(result.stderr).toMatch(new RegExp(`^atoll: .*\\(${word}\\)$`, 'm'))
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' })
  })

  it('loses nothing', async () => {
    const all = async (...args: string[]) => (await run(args, { directory: shared })).stdout
    expect(await all('ls')).toBe('farms     Object  1\nreadings  List    1\n')
    expect(await all('get', 'farms', 'north')).toBe('{"crop":"rye"}\n')
  })
})

describe('bad input', () => {
  it('keeps __proto__ as a member and as an id', async () => {
    await atoll('init')
    await atoll('put', 'farms', '__proto__', '{"__proto__":{"admin":true}}')
    expect(await atoll('get', 'farms', '__proto__')).toBe('{"__proto__":{"admin":true}}')
  })

  it('says what is wrong with a directory', async () => {
    await writeFile(join(parent, 'file'), '')
    for (const command of ['init', 'up', 'status']) {
      const { code, stderr } = await run([command], { directory: join(parent, 'file') })
      expect([code, stderr]).toEqual([1, expect.stringContaining('(NOT_ACCESSIBLE)')])
    }
    await atoll('init')
    await writeFile(join(data, 'format'), '{"format":999}')
    expect((await run(['status'])).stderr).toContain('(NEWER_FORMAT)')
  })

  // Skipped: root may write everywhere, so there is no such thing as a directory without permission.
  it.skipIf(process.getuid?.() === 0)('says that it has no permission', async () => {
    await mkdir(data)
    await chmod(data, 0)
    expect((await run(['init'])).stderr).toContain('(NOT_ACCESSIBLE)')
    await chmod(data, 0o700)
  })
})

describe('with a running node', () => {
  it('speaks to it through its door, and ends it', async () => {
    const { child, ready } = await up(['--name', 'barn', '--listen', '/ip4/127.0.0.1/tcp/0'])
    expect(ready.addresses[0]).toContain(`/p2p/${ready.node}`)
    expect(ready.cluster).toMatch(/^[0-9a-f]{40}$/)
    expect((await stat(join(data, 'door.json'))).mode & 0o777).toBe(0o600)
    await atoll('put', 'farms', 'north', '{"crop":"rye"}')
    expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
    const status = JSON.parse(await atoll('status', '--json')) as { node: string; addresses: string[] }
    expect(status).toMatchObject({ node: ready.node, addresses: ready.addresses, state: 'alone' })
    const timeout = await run(['sync', '--timeout', '50ms'])
    expect([timeout.code, timeout.stderr]).toEqual([6, expect.stringContaining('(TIMEOUT)')])

    const second = await run(['up'])
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('(LOCKED)')
    expect(second.stderr).toContain(String(child.pid))
    expect(second.stderr).toContain(ready.http)

    const exit = once(child, 'exit')
    await atoll('down')
    expect((await exit)[0]).toBe(0)
    await expect(readFile(join(data, 'door.json'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await run(['down'])).code).toBe(5)
    expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('ends in order at %s', async signal => {
    const { child } = await up()
    await atoll('put', 'farms', 'north', '1')
    const exit = once(child, 'exit')
    child.kill(signal)
    expect(await exit).toEqual([0, null])
    expect(await atoll('get', 'farms', 'north')).toBe('1')
  })

  it('is no hindrance after it was killed', async () => {
    const { child, ready } = await up()
    await atoll('put', 'farms', 'north', '1')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await readFile(join(data, 'door.json'), 'utf8')).toContain(ready.http)
    expect(await atoll('get', 'farms', 'north')).toBe('1')
    expect((await run(['peers'])).code).toBe(5)
    expect((await up()).ready.node).toBe(ready.node)
  })

  it('is not taken for whoever listens at a stale door', async () => {
    await atoll('init')
    const stranger = createServer(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'))
    stranger.listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
    await writeFile(join(data, 'door.json'), JSON.stringify({ pid: process.pid, url, token: 'x' }))
    await atoll('put', 'farms', 'north', '1')
    stranger.close()
  })

  it('says ADDRESS_IN_USE for a port that is taken', async () => {
    const { ready } = await up(['--listen', '/ip4/127.0.0.1/tcp/0'])
    const other = join(parent, 'b')
    const http = await run(['up', '--http', new URL(ready.http).host], { directory: other })
    expect([http.code, http.stderr]).toEqual([1, expect.stringContaining('(ADDRESS_IN_USE)')])
    const listen = ready.addresses[0]!.replace(/\/p2p\/.*$/, '')
    const glob = await run(['up', '--listen', listen], { directory: other })
    expect([glob.code, glob.stderr]).toEqual([1, expect.stringContaining('(ADDRESS_IN_USE)')])
  })

  it('takes its settings from the file that init wrote', async () => {
    await atoll('init', '--name', 'barn', '--listen', '/ip4/127.0.0.1/tcp/0')
    const { ready } = await up()
    expect(ready).toMatchObject({ name: 'barn' })
    expect(ready.addresses).toHaveLength(1)
  })

  it('finds another node by its address, and says who it is in sync with', async () => {
    const a = await up(['--name', 'a', '--listen', '/ip4/127.0.0.1/tcp/0'])
    const directory = join(parent, 'b')
    await up(['--name', 'b', '--bootstrap', a.ready.addresses[0]!], directory)
    await atoll('put', 'farms', 'north', '{"crop":"rye"}')
    const main = await atoll('sync', '--peers', '1', '--timeout', '20s')
    expect(main).toMatch(/^[0-9a-f]{40}$/)
    const there = await run(['get', 'farms', 'north'], { directory })
    expect(there.stdout).toBe('{"crop":"rye"}\n')
    expect(await atoll('status')).toMatch(/^In sync with 1 node: b\n/)
    expect(await atoll('peers')).toContain('connected')
  })

  it('keeps trying an address where nobody is, and says so', async () => {
    const { ready } = await up([
      '--bootstrap',
      '/ip4/127.0.0.1/tcp/9/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp',
    ])
    expect(ready.cluster).toBeNull()
    const status = JSON.parse(await atoll('status', '--json')) as { peers: { connected: boolean }[]; reason: string }
    expect(status.peers[0]).toMatchObject({ connected: false })
    expect(status.reason).not.toBeNull()
  })
})
