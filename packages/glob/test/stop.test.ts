import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expectDelivery } from '@atolldb/testkit'
import { expect, test } from 'vitest'
import { createTransport } from '../src/index.ts'

/** Alone in its file, so that nothing but the test itself holds anything. */

const listen = ['/ip4/127.0.0.1/tcp/0']

/** What keeps the process alive. */
function held(): string[] {
  return process.getActiveResourcesInfo().filter(name => /TCP|Timeout/.test(name))
}

/** libp2p's last timer ends a second after it stopped. Not by vitest's waiting, which has timers of its own. */
async function settle(wanted: number): Promise<void> {
  const deadline = performance.now() + 3000
  while (held().length > wanted && performance.now() < deadline) await new Promise(setImmediate)
}

test('stop leaves no sockets, servers or timers', async () => {
  const before = held()
  const silent = createServer(socket => socket.on('error', () => undefined).resume())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const unreachable = [`/ip4/127.0.0.1/tcp/${(silent.address() as AddressInfo).port}`, '/ip4/127.0.0.1/tcp/1']
  const a = await createTransport({ privateKeySeed: randomBytes(32), listen, bootstrap: unreachable })
  await a.start()
  const b = await createTransport({ privateKeySeed: randomBytes(32), listen, bootstrap: a.addresses() })
  for (const transport of [a, b]) transport.joinChannel('one')
  await b.start()
  await expectDelivery({ transport: a }, [{ transport: b }])
  expect(held().length).toBeGreaterThan(before.length)
  await Promise.all([a.stop(), b.stop()])
  silent.close()
  await once(silent, 'close')
  await settle(before.length)
  // vitest's own may have gone meanwhile.
  expect(held().length).toBeLessThanOrEqual(before.length)
})
