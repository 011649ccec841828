import { decodeFetchAnswer, encodeFetchRequest, type FetchRequest } from '@atolldb/core'
import { refusedByPeer } from './fetch-server.ts'
import { type FrameStream, protocolError } from './frames.ts'

/** One pack on its way: its bytes come as they are read, and must be read to their end. */
export interface IncomingPack {
  readonly commits: number
  /** Commits that come after this pack, as the peer says. */
  readonly left: number
  readonly bytes: AsyncIterable<Uint8Array>
}

/** Asks for commits and hands each pack of the answer to `take`, one after the other. @throws PROTOCOL, TIMEOUT */
export async function fetchPacks(
  frames: FrameStream,
  request: FetchRequest,
  take: (pack: IncomingPack) => Promise<void>,
): Promise<void> {
  await frames.send([encodeFetchRequest(request)])
  let left = Infinity
  for (;;) {
    const answer = decodeFetchAnswer(await frames.read())
    if (answer.kind === 'end') break
    if (answer.kind === 'refusal') throw refusedByPeer(answer.code, answer.reason)
    // What is left shrinks with every pack, so no answer is endless.
    if (answer.commits === 0 || answer.commits + answer.left > left)
      throw protocolError('an answer that does not come nearer to its end')
    left = answer.left
    await take({ commits: answer.commits, left, bytes: packBytes(frames, answer.bytes) })
  }
  await frames.finish()
}

async function* packBytes(frames: FrameStream, total: number): AsyncGenerator<Uint8Array> {
  let left = total
  while (left > 0) {
    const frame = await frames.read()
    if (frame.length === 0 || frame.length > left) throw protocolError('a pack is not as long as was said')
    left -= frame.length
    yield frame
  }
}
