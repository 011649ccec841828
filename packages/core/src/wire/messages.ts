/**
 * What nodes say to each other, as CBOR maps (RFC 8949, definite lengths, no tags) with string keys. Every message has `v`,
 * the version of its form: 1. Commit ids travel as 20 bytes, clocks as [milliseconds, counter].
 *
 *     glob, topic `atoll/<cluster>/glob`:
 *       heads    { v, kind: "heads", cluster, sequence: [incarnation, counter], heads: [id…], main: id, clock }
 *                no `heads`: those of `main`, which others have told of
 *
 *     `/atoll/hello/1`, one frame each way, the dialler of the stream first:
 *       hello    { v, cluster: id | null, name, sequence: [incarnation, counter], heads: [id…], main: id | null,
 *                  addresses: [multiaddr…], peers: [multiaddr…] }
 *                `sequence`: that of the sender's newest glob message, so that a hello which that one overtook is seen to be old;
 *                `addresses`: where the sender listens; `peers`: where those listen that it is connected to
 *
 *     `/atoll/fetch/1`, a request, then any number of packs, then an end; each pack head is followed by that many bytes of
 *     a git pack in frames of their own:
 *       request  { v, cluster, wants: [id…], haves: [id…] }
 *       pack     { v, kind: "pack", bytes, commits, left }      `left`: commits still to come after this pack
 *       end      { v, kind: "end" }
 *       refusal  { v, kind: "refusal", code, reason }           in place of anything else
 *
 * On a stream, each frame has its length in front (unsigned varint).
 */
import { decode, encode } from 'cborg'
import { parseNodeName } from '../commits/author.ts'
import type { Clock } from '../commits/clock.ts'
import { AtollError } from '../errors.ts'
import type { CommitId } from '../ids.ts'
import {
  MAX_ADDRESS_LENGTH,
  MAX_ADDRESSES_PER_HELLO,
  MAX_CLOCK_COUNTER,
  MAX_CLOCK_MS,
  MAX_FETCH_HAVES,
  MAX_FETCH_PACK_BYTES,
  MAX_FETCH_WANTS,
  MAX_FRAME_BYTES,
  MAX_HEADS_PER_MESSAGE,
} from '../limits.ts'
import type { Sequence } from './sequence.ts'

export const HELLO_PROTOCOL = '/atoll/hello/1'
export const FETCH_PROTOCOL = '/atoll/fetch/1'

/** The glob channel of a cluster. */
export function globChannel(cluster: CommitId): string {
  return `atoll/${cluster}/glob`
}

export interface HeadsMessage {
  readonly cluster: CommitId
  /** What is not newer than the last one is a replay. */
  readonly sequence: Sequence
  /** None where `main` is only named, since others have told its heads. */
  readonly heads: readonly CommitId[]
  readonly main: CommitId
  readonly clock: Clock
}

export interface Hello {
  readonly cluster: CommitId | undefined
  readonly name: string
  /** That of the sender's newest glob message: where a newer one was heard, heads and main are old. */
  readonly sequence: Sequence
  readonly heads: readonly CommitId[]
  readonly main: CommitId | undefined
  /** Where the sender listens: multiaddrs with its peer id. */
  readonly addresses: readonly string[]
  /** Where peers of the sender listen: a hint whom to dial, so that a cluster outlives its bootstrap peer. */
  readonly peers: readonly string[]
}

export interface FetchRequest {
  readonly cluster: CommitId
  readonly wants: readonly CommitId[]
  readonly haves: readonly CommitId[]
}

export type FetchAnswer =
  | { readonly kind: 'pack'; readonly bytes: number; readonly commits: number; readonly left: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'refusal'; readonly code: string; readonly reason: string }

export function encodeHeads(message: HeadsMessage): Uint8Array {
  const { cluster, sequence, heads, main, clock } = message
  return encode({
    v: 1,
    kind: 'heads',
    cluster: idToBytes(cluster),
    sequence: [...sequence],
    heads: heads.map(idToBytes),
    main: idToBytes(main),
    clock: [clock.ms, clock.counter],
  })
}

/** @throws PROTOCOL */
export function decodeHeads(bytes: Uint8Array): HeadsMessage {
  const fields = decodeMap(bytes)
  if (fields.get('kind') !== 'heads') throw malformed('the kind of a glob message')
  const [ms, clockCounter] = pair(fields.get('clock'), 'clock', MAX_CLOCK_MS, MAX_CLOCK_COUNTER)
  return {
    cluster: id(fields.get('cluster'), 'cluster'),
    sequence: sequenceOf(fields.get('sequence')),
    heads: ids(fields.get('heads'), 'heads', MAX_HEADS_PER_MESSAGE),
    main: id(fields.get('main'), 'main'),
    clock: { ms, counter: clockCounter },
  }
}

export function encodeHello(hello: Hello): Uint8Array {
  const { cluster, name, sequence, heads, main, addresses, peers } = hello
  return encode({
    v: 1,
    cluster: cluster === undefined ? null : idToBytes(cluster),
    name,
    sequence: [...sequence],
    heads: heads.map(idToBytes),
    main: main === undefined ? null : idToBytes(main),
    addresses: [...addresses],
    peers: [...peers],
  })
}

/** @throws PROTOCOL */
export function decodeHello(bytes: Uint8Array): Hello {
  const fields = decodeMap(bytes)
  return {
    cluster: optionalId(fields.get('cluster'), 'cluster'),
    name: nodeName(fields.get('name')),
    sequence: sequenceOf(fields.get('sequence')),
    heads: ids(fields.get('heads'), 'heads', MAX_HEADS_PER_MESSAGE),
    main: optionalId(fields.get('main'), 'main'),
    addresses: texts(fields.get('addresses'), 'addresses', MAX_ADDRESSES_PER_HELLO, MAX_ADDRESS_LENGTH),
    peers: texts(fields.get('peers'), 'peers', MAX_ADDRESSES_PER_HELLO, MAX_ADDRESS_LENGTH),
  }
}

export function encodeFetchRequest(request: FetchRequest): Uint8Array {
  const { cluster, wants, haves } = request
  return encode({ v: 1, cluster: idToBytes(cluster), wants: wants.map(idToBytes), haves: haves.map(idToBytes) })
}

/** @throws PROTOCOL */
export function decodeFetchRequest(bytes: Uint8Array): FetchRequest {
  const fields = decodeMap(bytes)
  return {
    cluster: id(fields.get('cluster'), 'cluster'),
    wants: ids(fields.get('wants'), 'wants', MAX_FETCH_WANTS),
    haves: ids(fields.get('haves'), 'haves', MAX_FETCH_HAVES),
  }
}

export function encodeFetchAnswer(answer: FetchAnswer): Uint8Array {
  return encode({ v: 1, ...answer })
}

/** @throws PROTOCOL */
export function decodeFetchAnswer(bytes: Uint8Array): FetchAnswer {
  const fields = decodeMap(bytes)
  switch (fields.get('kind')) {
    case 'pack':
      return {
        kind: 'pack',
        bytes: whole(fields.get('bytes'), 'bytes', MAX_FETCH_PACK_BYTES),
        commits: whole(fields.get('commits'), 'commits', Number.MAX_SAFE_INTEGER),
        left: whole(fields.get('left'), 'left', Number.MAX_SAFE_INTEGER),
      }
    case 'end':
      return { kind: 'end' }
    case 'refusal':
      return {
        kind: 'refusal',
        code: text(fields.get('code'), 'code', 64),
        reason: text(fields.get('reason'), 'reason', 1024),
      }
    default:
      throw malformed('the kind of a fetch answer')
  }
}

/** A map, so that no key of a stranger means anything to an object of ours. */
function decodeMap(bytes: Uint8Array): ReadonlyMap<unknown, unknown> {
  if (bytes.length > MAX_FRAME_BYTES) throw malformed('the size of a message')
  let fields: unknown
  try {
    fields = decode(bytes, {
      allowIndefinite: false,
      rejectDuplicateMapKeys: true,
      allowUndefined: false,
      useMaps: true,
    })
  } catch (cause) {
    throw malformed('CBOR', cause)
  }
  if (!(fields instanceof Map)) throw malformed('a message')
  if (fields.get('v') !== 1) throw malformed('the version of a message')
  return fields
}

const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u

function whole(value: unknown, field: string, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) throw malformed(field)
  return value
}

function pair(value: unknown, field: string, maxFirst: number, maxSecond: number): [number, number] {
  if (!Array.isArray(value) || value.length !== 2) throw malformed(field)
  return [whole(value[0], field, maxFirst), whole(value[1], field, maxSecond)]
}

function sequenceOf(value: unknown): Sequence {
  return pair(value, 'sequence', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
}

/** For people's eyes in the end, on terminals too. */
function text(value: unknown, field: string, maxLength: number): string {
  if (typeof value !== 'string' || value.length > maxLength || unprintable.test(value)) throw malformed(field)
  return value
}

function nodeName(value: unknown): string {
  try {
    return parseNodeName(text(value, 'name', Infinity))
  } catch (cause) {
    throw malformed('name', cause)
  }
}

function texts(value: unknown, field: string, max: number, maxLength: number): string[] {
  if (!Array.isArray(value) || value.length > max) throw malformed(field)
  return value.map(item => text(item, field, maxLength))
}

function id(value: unknown, field: string): CommitId {
  if (!(value instanceof Uint8Array) || value.length !== 20) throw malformed(field)
  let hex = ''
  for (const byte of value) hex += byte.toString(16).padStart(2, '0')
  return hex as CommitId
}

function optionalId(value: unknown, field: string): CommitId | undefined {
  return value === null ? undefined : id(value, field)
}

function ids(value: unknown, field: string, max: number): CommitId[] {
  if (!Array.isArray(value) || value.length > max) throw malformed(field)
  return value.map(item => id(item, field))
}

function idToBytes(commit: CommitId): Uint8Array {
  const bytes = new Uint8Array(20)
  for (let i = 0; i < 20; i++) bytes[i] = Number.parseInt(commit.slice(i * 2, i * 2 + 2), 16)
  return bytes
}

function malformed(what: string, cause?: unknown): AtollError<'PROTOCOL'> {
  const reason = `malformed: ${what}`
  return new AtollError('PROTOCOL', reason, { reason }, { cause })
}
