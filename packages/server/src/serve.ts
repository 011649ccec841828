import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { AtollError } from '@atolldb/core'
import type { Database, Log } from 'atolldb'
import { createApp } from './app.ts'
import { removeDoorFile, writeDoorFile } from './door-file.ts'

export interface ServeOptions {
  /** The node's data directory, where `door.json` goes. */
  readonly directory: string
  /** Default 127.0.0.1. The token travels in clear text: elsewhere than on loopback, put TLS in front. */
  readonly host?: string
  /** Default 0: a free one. */
  readonly port?: number
  readonly onShutdown?: () => void
  /** Host names to answer to beside loopback's and `host`, without ports. */
  readonly allowedHosts?: readonly string[]
  readonly log?: Log
}

/** An open door. */
export interface Door {
  readonly url: string
  readonly token: string
  /** Removes `door.json`, lets requests in hand finish for a moment, then closes. Idempotent; does not close the node. */
  close(): Promise<void>
}

const MAX_HEADER_BYTES = 16 * 1024
const MAX_CONNECTIONS = 1_024
const HEADERS_TIMEOUT_MS = 10_000
/** A whole request must have arrived by then. */
const REQUEST_TIMEOUT_MS = 60_000
const KEEP_ALIVE_TIMEOUT_MS = 10_000
const CLOSE_GRACE_MS = 2_000

/**
 * Opens the local door of a node: the HTTP API on loopback, found through `door.json`. Applications that embed a node call it
 * so that the `atoll` command and other processes can talk to that node.
 *
 * @example
 * const door = await serve(db, { directory: './farm' })
 * await door.close()
 *
 * @throws ADDRESS_IN_USE, NOT_ACCESSIBLE
 */
export async function serve(db: Database, options: ServeOptions): Promise<Door> {
  const { directory, host = '127.0.0.1', port = 0, onShutdown, allowedHosts = [], log } = options
  const token = randomBytes(32).toString('base64url')
  const app = createApp(db, {
    token,
    allowedHosts: [...allowedHosts, urlHost(host)],
    ...(onShutdown === undefined ? {} : { onShutdown }),
    ...(log === undefined ? {} : { log }),
  })
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
  }) as Server
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, host, port)
  const url = `http://${urlHost(reachableHost(host))}:${(server.address() as AddressInfo).port}`
  try {
    await writeDoorFile(directory, { pid: process.pid, url, token })
  } catch (error) {
    server.close()
    throw error
  }
  let closing: Promise<void> | undefined
  return {
    url,
    token,
    close: () => (closing ??= close(server, directory, token)),
  }
}

/** Bound to every interface, a node is still reached by loopback from its own machine. */
function reachableHost(host: string): string {
  return host === '0.0.0.0' || host === '::' || host === '[::]' ? '127.0.0.1' : host
}

function urlHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

/** @throws ADDRESS_IN_USE */
function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const address = `${urlHost(host)}:${port}`
      const reason = error.code === 'EADDRINUSE' ? 'is taken' : `cannot be bound (${error.code})`
      reject(new AtollError('ADDRESS_IN_USE', `the HTTP address ${address} ${reason}`, { address }, { cause: error }))
    })
    server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), () => resolve())
  })
}

async function close(server: Server, directory: string, token: string): Promise<void> {
  await removeDoorFile(directory, token)
  await new Promise<void>(resolve => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    server.closeIdleConnections()
  })
}
