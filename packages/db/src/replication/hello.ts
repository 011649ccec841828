import {
  type CommitId,
  decodeHello,
  encodeHello,
  type Hello,
  MAX_ADDRESS_LENGTH,
  MAX_ADDRESSES_PER_HELLO,
  MAX_HEADS_PER_MESSAGE,
  type Sequence,
  type Transport,
} from '@atolldb/core'
import type { BranchState } from '../engine/branch.ts'
import type { FrameStream } from './frames.ts'
import type { PeerBook } from './peer-book.ts'

export interface HelloParts {
  readonly transport: Transport
  readonly book: PeerBook
  readonly name: string
  readonly sequence: Sequence
  readonly cluster: CommitId | undefined
  readonly state: BranchState | undefined
}

/** What this node says of itself at this moment. */
export function composeHello({ transport, book, name, sequence, cluster, state }: HelloParts): Hello {
  const peers = transport.peers().flatMap(({ id }) => book.of(id).addresses)
  return {
    cluster,
    name,
    sequence,
    heads: (state?.heads ?? []).slice(0, MAX_HEADS_PER_MESSAGE),
    main: state?.main,
    addresses: fitAddresses(transport.addresses()),
    peers: fitAddresses(peers),
  }
}

/** As many as a message may name, and none that it may not. */
function fitAddresses(addresses: readonly string[]): string[] {
  const fit = addresses.filter(address => address.length <= MAX_ADDRESS_LENGTH)
  return [...new Set(fit)].slice(0, MAX_ADDRESSES_PER_HELLO)
}

/** Says hello over a stream of ours, and hears the answer. @throws PROTOCOL, TIMEOUT */
export async function sayHello(frames: FrameStream, ours: Hello): Promise<Hello> {
  try {
    await frames.send([encodeHello(ours)])
    const theirs = decodeHello(await frames.read())
    await frames.finish()
    return theirs
  } catch (error) {
    frames.abort(error)
    throw error
  }
}

/** Hears a hello over a stream of theirs, and answers it; `hear` is told even if the answer is not taken. @throws PROTOCOL, TIMEOUT */
export async function answerHello(
  frames: FrameStream,
  ours: () => Hello,
  hear: (theirs: Hello) => void,
): Promise<void> {
  const theirs = decodeHello(await frames.read())
  try {
    await frames.send([encodeHello(ours())])
  } finally {
    hear(theirs)
  }
  await frames.finish()
}
