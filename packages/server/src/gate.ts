import { createHash, timingSafeEqual } from 'node:crypto'
import { AtollError } from '@atolldb/core'
import { Refusal } from './problems.ts'

/**
 * Who may pass. A page of another site can make a browser on this machine send requests to loopback, and can rebind its own
 * name to 127.0.0.1: so the Host is checked before anything else, and the token is asked for on loopback too. Other users of
 * this machine do not have the token: it lies in a file of mode 0600.
 */

const loopbackHosts = ['localhost', '127.0.0.1', '[::1]']

/** The names under which a node may be addressed: loopback's, and those given. Ports do not matter to rebinding. */
export function hostAllowList(allowedHosts: readonly string[] = []): ReadonlySet<string> {
  return new Set([...loopbackHosts, ...allowedHosts].map(host => host.toLowerCase()))
}

/** @throws NOT_ALLOWED (403) */
export function checkHost(header: string, allowed: ReadonlySet<string>): void {
  const host = header.toLowerCase().replace(/:\d*$/, '')
  if (!allowed.has(host))
    throw new Refusal(
      new AtollError('NOT_ALLOWED', 'this Host is not served here', {
        reason: 'the Host header is not on the allow-list',
      }),
      { status: 403 },
    )
}

/** Compares in constant time, whatever the lengths. @throws NOT_ALLOWED (401) */
export function checkToken(authorization: string | undefined, token: string): void {
  const given = /^bearer +(.+)$/i.exec(authorization ?? '')?.[1]
  if (given === undefined) throw notAllowed('a bearer token is required')
  if (!timingSafeEqual(digest(given), digest(token))) throw notAllowed('the bearer token is wrong')
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}

function notAllowed(reason: string): AtollError<'NOT_ALLOWED'> {
  return new AtollError('NOT_ALLOWED', reason, { reason })
}
