import { spawn } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createClient } from '@atolldb/client'

const atoll = fileURLToPath(new URL('../../packages/cli/bin/atoll.js', import.meta.url))
const startTimeoutMs = 20_000
const stopTimeoutMs = 10_000

/** A command that did not end as it should. */
export class CommandFailed extends Error {
  constructor(command, exitCode, stderr) {
    super(`${command}\n  ended with exit code ${exitCode}${stderr === '' ? '' : `\n  ${stderr.trim()}`}`)
  }
}

/** One node: a process of its own (`atoll up`), a data directory, and the commands that talk to it. */
export class Island {
  name
  directory
  #process
  #exited
  #logFile

  constructor(name, parent) {
    this.name = name
    this.directory = join(parent, name)
    this.#logFile = join(parent, `${name}.log`)
  }

  get repository() {
    return join(this.directory, 'repo.git')
  }

  /** Starts `atoll up` on ports of the system's choice, and resolves when it says that it is ready. */
  async up(bootstrap) {
    const args = ['--data', this.directory, 'up', '--name', this.name]
    args.push('--listen', '/ip4/127.0.0.1/tcp/0', '--http', '127.0.0.1:0')
    if (bootstrap !== undefined) args.push('--bootstrap', bootstrap)
    const child = spawn(process.execPath, [atoll, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    this.#exited = new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
    const log = createWriteStream(this.#logFile)
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    const { addresses } = await this.#ready(child)
    this.address = addresses[0]
  }

  /** Resolves with the event that says that store, HTTP and libp2p listen. */
  async #ready(child) {
    const { promise, resolve, reject } = withResolvers()
    const timer = setTimeout(() => reject(new Error(`${this.name} was not ready within 20 s`)), startTimeoutMs)
    createInterface({ input: child.stdout }).on('line', line => {
      const event = eventOf(line)
      if (event?.event === 'ready') resolve(event)
    })
    child.once('error', reject)
    child.once('exit', code => reject(new Error(`${this.name} ended with exit code ${code}`)))
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }

  /** Runs a command on this node; resolves with its stdout, trimmed. Throws CommandFailed for another exit code than 0. */
  async run(...args) {
    const { stdout, stderr, code } = await this.attempt(...args)
    if (code !== 0) throw new CommandFailed(this.describe(args), code, stderr)
    return stdout.trim()
  }

  /** Like `run`, whatever the exit code. */
  async attempt(...args) {
    const child = spawn(process.execPath, [atoll, '--data', this.directory, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [stdout, stderr, code] = await Promise.all([textOf(child.stdout), textOf(child.stderr), exitOf(child)])
    return { stdout, stderr, code }
  }

  async json(...args) {
    return JSON.parse(await this.run(...args, '--json'))
  }

  /** The node's door, for questions that are asked too often to start a command for each. */
  door() {
    return createClient(JSON.parse(readFileSync(join(this.directory, 'door.json'), 'utf8')))
  }

  /** The records of a collection, as a map from id to value. */
  async records(collection) {
    const lines = (await this.run('ls', collection, '--json')).split('\n').filter(line => line !== '')
    return new Map(lines.map(line => JSON.parse(line)).map(({ id, value }) => [id, value]))
  }

  /** How the reader would type it, from the directory that holds the three. */
  describe(args) {
    return ['atoll', '--data', `./${basename(this.directory)}`, ...args.map(quote)].join(' ')
  }

  /** Asks the node to end; resolves with its exit code. */
  async down() {
    if (this.#process === undefined) return 0
    if (this.#process.exitCode === null) await this.run('down')
    const timer = setTimeout(() => this.kill(), stopTimeoutMs)
    const { code } = await this.#exited
    clearTimeout(timer)
    return code
  }

  /** Ends the process at once, for the ways out that have no time for manners. */
  kill() {
    if (this.#process?.exitCode === null) this.#process.kill('SIGKILL')
  }

  logTail() {
    try {
      return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n')
    } catch {
      return ''
    }
  }
}

/** A line of `atoll up` where no terminal reads it: one JSON object, `{ "schema": "atoll/event/v1", "event": … }`. */
function eventOf(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

async function textOf(stream) {
  stream.setEncoding('utf8')
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

function exitOf(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code))
  })
}

function quote(argument) {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers() {
  let resolve
  let reject
  const promise = new Promise((settle, fail) => {
    resolve = settle
    reject = fail
  })
  return { promise, resolve, reject }
}
