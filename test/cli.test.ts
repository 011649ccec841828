import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

/**
 * The command as people run it: processes of the built package, directories on disk, nodes on loopback. What is the same within
 * one process is tested there, in `packages/cli/test`.
 */

const bin = fileURLToPath(new URL('../packages/cli/bin/atoll.js', import.meta.url))
const airports = fileURLToPath(new URL('../node_modules/vega-datasets/data/airports.csv', import.meta.url))

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

/** Prints the address of every module that a process loads. */
const reporter = `export async function load(url, context, next) {
  process._rawDebug('loaded ' + url)
  return next(url, context)
}`
const reportLoads = `import { register } from 'node:module'
register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(reporter)}`)})`

/** The packages that a command loads something of; ours by their directory. */
async function loadedPackages(args: readonly string[]): Promise<string[]> {
  const preload = `data:text/javascript,${encodeURIComponent(reportLoads)}`
  const child = spawn(process.execPath, ['--import', preload, bin, '--data', data, ...args], { cwd: tmpdir() })
  const packages = new Set<string>()
  for await (const line of createInterface({ input: child.stderr })) {
    const name = /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/|\/packages\/(\w+)\//.exec(line)
    if (name !== null) packages.add(name[1] ?? `packages/${name[2]}`)
  }
  return [...packages].sort()
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
  it('keeps records from one process to the next, and ends with the code that says how it went', async () => {
    await atoll('init')
    expect((await run(['put', 'farms', 'north', '-'], { stdin: ' {"crop" : "rye"}\n' })).code).toBe(0)
    expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
    const { code, stdout, stderr } = await run(['get', 'farms', 'nowhere'])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toMatch(/^atoll: .*\(MISSING\)$/m)
  })

  it('writes all of a long answer, and ends in order when its reader has seen enough', async () => {
    await atoll('init')
    await atoll('import', 'airports', airports, '--id', 'iata')
    expect((await atoll('ls', 'airports', '--json')).split('\n')).toHaveLength(3376)
    const child = start(['ls', 'airports', '--json'])
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [code] = (await once(child, 'exit')) as [number]
    expect(code).toBe(0)
  })
})

describe('with a running node', () => {
  it('speaks to it through its door, keeps others out, and ends it', async () => {
    const { child, ready } = await up(['--name', 'barn', '--listen', '/ip4/127.0.0.1/tcp/0'])
    expect(ready.addresses[0]).toContain(`/p2p/${ready.node}`)
    expect(ready.cluster).toMatch(/^[0-9a-f]{40}$/)
    expect((await stat(join(data, 'door.json'))).mode & 0o777).toBe(0o600)
    await atoll('put', 'farms', 'north', '{"crop":"rye"}')
    expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
    // Neither database nor network: starting is most of what such a command costs.
    expect(await loadedPackages(['get', 'farms', 'north'])).toEqual([
      'commander',
      'packages/cli',
      'packages/client',
      'packages/core',
      'packages/server',
    ])
    const status = JSON.parse(await atoll('status', '--json')) as { node: string; addresses: string[] }
    expect(status).toMatchObject({ node: ready.node, addresses: ready.addresses, state: 'alone' })
    const timeout = await run(['sync', '--timeout', '50ms'])
    expect([timeout.code, timeout.stderr]).toEqual([6, expect.stringContaining('(TIMEOUT)')])

    const second = await run(['up'])
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('(LOCKED)')
    expect(second.stderr).toContain(String(child.pid))
    expect(second.stderr).toContain(ready.http)

    const other = join(parent, 'b')
    const http = await run(['up', '--http', new URL(ready.http).host], { directory: other })
    expect([http.code, http.stderr]).toEqual([1, expect.stringContaining('(ADDRESS_IN_USE)')])
    const listen = ready.addresses[0]!.replace(/\/p2p\/.*$/, '')
    const glob = await run(['up', '--listen', listen], { directory: other })
    expect([glob.code, glob.stderr]).toEqual([1, expect.stringContaining('(ADDRESS_IN_USE)')])

    const exit = once(child, 'exit')
    await atoll('down')
    expect((await exit)[0]).toBe(0)
    await expect(readFile(join(data, 'door.json'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await run(['down'])).code).toBe(5)
    expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
  })

  it('takes its settings from the file that init wrote, and ends in order when it is told to', async () => {
    await atoll('init', '--name', 'barn', '--listen', '/ip4/127.0.0.1/tcp/0')
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const { child, ready } = await up()
      expect(ready).toMatchObject({ name: 'barn' })
      expect(ready.addresses).toHaveLength(1)
      await atoll('put', 'farms', signal, '1')
      const exit = once(child, 'exit')
      child.kill(signal)
      expect(await exit).toEqual([0, null])
    }
    expect(await atoll('count', 'farms')).toBe('2')
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
