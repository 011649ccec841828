import { type ByteStream, isAtollError, MAX_FRAME_BYTES } from '@atolldb/core'
import { MemoryNetwork } from '@atolldb/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { frameStream } from '../../src/replication/frames.ts'
import { eventually } from './nodes.ts'

const IDLE_MS = 40

/** The two ends of a stream. */
async function openStream(): Promise<[ByteStream, ByteStream]> {
  const network = new MemoryNetwork()
  const there = network.createTransport({ listen: ['/memory/1'] })
  const here = network.createTransport({ bootstrap: ['/memory/1'] })
  const arrived = new Promise<ByteStream>(resolve => {
    there.handle('/test/1', async (_from, stream) => resolve(stream))
  })
  for (const transport of [there, here]) {
    onTestFinished(() => transport.stop())
    await transport.start()
  }
  await eventually(() => expect(here.peers()).toHaveLength(1))
  const stream = await here.openStream(there.self, '/test/1')
  return [stream, await arrived]
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return isAtollError(error) ? error.code : String(error)
  }
  return 'no failure'
}

describe('frames', () => {
  it('arrive as they were sent, up to the largest', async () => {
    const [one, other] = await openStream()
    const [sender, reader] = [frameStream(one), frameStream(other)]
    const frames = [Buffer.from('a'), Buffer.alloc(MAX_FRAME_BYTES, 7), Buffer.alloc(0)]
    const sent = sender.send(frames)
    for (const frame of frames) expect(Buffer.compare(await reader.read(), frame)).toBe(0)
    await sent
    expect(await codeOf(reader.read())).toBe('PROTOCOL')
  })

  it('one larger than allowed, or with an endless length, is refused', async () => {
    for (const bytes of [Uint8Array.of(0x81, 0x80, 0x04, 1), new Uint8Array(20).fill(0xff)]) {
      const [one, other] = await openStream()
      void one.sink([bytes]).catch(() => undefined)
      expect(await codeOf(frameStream(other).read())).toBe('PROTOCOL')
    }
  })

  it('that do not come, or come in part, end in TIMEOUT', async () => {
    for (const bytes of [[], [Uint8Array.of(10, 1, 2)]]) {
      const [one, other] = await openStream()
      const endless = (async function* () {
        yield* bytes
        await new Promise(() => undefined)
      })()
      void one.sink(endless).catch(() => undefined)
      expect(await codeOf(frameStream(other, IDLE_MS).read())).toBe('TIMEOUT')
    }
  })

  it('that nobody takes end in TIMEOUT, however long they took to make', async () => {
    const [one] = await openStream()
    const frames = (async function* () {
      await new Promise(resolve => setTimeout(resolve, 3 * IDLE_MS))
      for (;;) yield Buffer.alloc(MAX_FRAME_BYTES)
    })()
    const started = performance.now()
    expect(await codeOf(frameStream(one, IDLE_MS).send(frames))).toBe('TIMEOUT')
    expect(performance.now() - started).toBeGreaterThan(3 * IDLE_MS)
  })

  it('that come after the last one break the stream off', async () => {
    const [one, other] = await openStream()
    const sending = codeOf(
      frameStream(one).send(
        (async function* () {
          for (;;) yield Buffer.alloc(1_000)
        })(),
      ),
    )
    const reader = frameStream(other, IDLE_MS)
    await reader.read()
    await reader.finish()
    expect(await sending).toBe('PROTOCOL')
  })
})
