import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAtollError } from '../../src/errors.ts'
import type { CommitId } from '../../src/ids.ts'
import {
  MAX_CLOCK_COUNTER,
  MAX_CLOCK_MS,
  MAX_FETCH_HAVES,
  MAX_FETCH_PACK_BYTES,
  MAX_FETCH_WANTS,
  MAX_FRAME_BYTES,
  MAX_GLOB_MESSAGE_BYTES,
  MAX_HEADS_PER_MESSAGE,
} from '../../src/limits.ts'
import {
  decodeFetchAnswer,
  decodeFetchRequest,
  decodeHeads,
  decodeHello,
  encodeFetchAnswer,
  encodeFetchRequest,
  encodeHeads,
  encodeHello,
  type FetchAnswer,
} from '../../src/wire/messages.ts'

const ids = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map(bytes => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('') as CommitId)
const counts = fc.maxSafeNat()
const names = fc.stringMatching(/^[a-zé🌾]([a-zé🌾 ]{0,20}[a-zé🌾])?$/u)
const texts = fc.stringMatching(/^[ -~é]{0,200}$/)

const headsMessages = fc.record({
  cluster: ids,
  sequence: fc.tuple(counts, counts),
  heads: fc.array(ids, { maxLength: MAX_HEADS_PER_MESSAGE }),
  main: ids,
  clock: fc.record({ ms: fc.nat({ max: MAX_CLOCK_MS }), counter: fc.nat({ max: MAX_CLOCK_COUNTER }) }),
})
const hellos = fc.record({
  cluster: fc.option(ids, { nil: undefined }),
  name: names,
  sequence: fc.tuple(counts, counts),
  heads: fc.array(ids, { maxLength: MAX_HEADS_PER_MESSAGE }),
  main: fc.option(ids, { nil: undefined }),
  addresses: fc.array(texts, { maxLength: 64 }),
  peers: fc.array(texts, { maxLength: 64 }),
})
const requests = fc.record({
  cluster: ids,
  wants: fc.array(ids, { maxLength: MAX_FETCH_WANTS }),
  haves: fc.array(ids, { maxLength: 300 }),
})
const answers: fc.Arbitrary<FetchAnswer> = fc.oneof(
  fc.record({
    kind: fc.constant('pack' as const),
    bytes: fc.nat({ max: MAX_FETCH_PACK_BYTES }),
    commits: counts,
    left: counts,
  }),
  fc.constant({ kind: 'end' as const }),
  fc.record({ kind: fc.constant('refusal' as const), code: fc.constant('BUSY'), reason: texts }),
)

const decoders = { decodeHeads, decodeHello, decodeFetchRequest, decodeFetchAnswer }
const id = new Uint8Array(20)

/** @returns the error of the decoder, which must be one */
function refusalOf(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown {
  try {
    decode(bytes)
  } catch (error) {
    return error
  }
  return undefined
}

function expectProtocol(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  expect(isAtollError(refusalOf(decode, bytes), 'PROTOCOL')).toBe(true)
}

describe('messages are read back', () => {
  it('heads', () => {
    fc.assert(
      fc.property(headsMessages, message => {
        expect(decodeHeads(encodeHeads(message))).toEqual(message)
      }),
    )
  })

  it('hello', () => {
    fc.assert(
      fc.property(hellos, message => {
        expect(decodeHello(encodeHello(message))).toEqual(message)
      }),
    )
  })

  it('fetch', () => {
    fc.assert(
      fc.property(requests, message => {
        expect(decodeFetchRequest(encodeFetchRequest(message))).toEqual(message)
      }),
    )
    fc.assert(
      fc.property(answers, message => {
        expect(decodeFetchAnswer(encodeFetchAnswer(message))).toEqual(message)
      }),
    )
  })

  it('the largest ones fit where they go', () => {
    const all = (count: number): CommitId[] => Array.from({ length: count }, () => 'f'.repeat(40) as CommitId)
    const clock = { ms: MAX_CLOCK_MS, counter: MAX_CLOCK_COUNTER }
    const sequence = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const
    const [cluster] = all(1) as [CommitId]
    const heads = encodeHeads({ cluster, sequence, heads: all(MAX_HEADS_PER_MESSAGE), main: cluster, clock })
    expect(heads.length).toBeLessThan(MAX_GLOB_MESSAGE_BYTES)
    const request = { cluster, wants: all(MAX_FETCH_WANTS), haves: all(MAX_FETCH_HAVES) }
    expect(encodeFetchRequest(request).length).toBeLessThan(MAX_FRAME_BYTES)
    expect(decodeFetchRequest(encodeFetchRequest(request))).toEqual(request)
  })
})

describe('what is no message is refused, and never a crash', () => {
  it('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        for (const decode of Object.values(decoders)) {
          const error = refusalOf(decode, bytes)
          expect(error === undefined || isAtollError(error, 'PROTOCOL')).toBe(true)
        }
      }),
    )
  })

  it('a message with a byte changed, cut or added', () => {
    const messages = fc.oneof(
      headsMessages.map(message => [decodeHeads, encodeHeads(message)] as const),
      hellos.map(message => [decodeHello, encodeHello(message)] as const),
      requests.map(message => [decodeFetchRequest, encodeFetchRequest(message)] as const),
      answers.map(message => [decodeFetchAnswer, encodeFetchAnswer(message)] as const),
    )
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat({ max: 255 }), ([decode, bytes], at, value) => {
        const changed = bytes.slice()
        changed[at % bytes.length] = value
        const error = refusalOf(decode, changed)
        expect(error === undefined || isAtollError(error, 'PROTOCOL')).toBe(true)
        expectProtocol(decode, bytes.subarray(0, at % bytes.length))
        expectProtocol(decode, Uint8Array.of(...bytes, value))
      }),
    )
  })

  it('any CBOR in any field', () => {
    const good = { v: 1, kind: 'heads', cluster: id, sequence: [1, 1], heads: [id], main: id, clock: [1, 1] }
    const others = fc.anything({ withBigInt: true, withTypedArray: true, maxDepth: 2 })
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(good)), others, (field, value) => {
        let bytes: Uint8Array
        try {
          bytes = encode({ ...good, [field]: value })
        } catch {
          return
        }
        const error = refusalOf(decodeHeads, bytes)
        expect(error === undefined || isAtollError(error, 'PROTOCOL')).toBe(true)
      }),
    )
  })

  it.each<[string, unknown]>([
    ['another version', { v: 2, kind: 'end' }],
    ['no version', { kind: 'end' }],
    ['another kind', { v: 1, kind: 'start' }],
    ['no kind', { v: 1 }],
    ['no map', [1]],
    ['bytes', id],
    ['null', null],
    ['more bytes than a pack may have', { v: 1, kind: 'pack', bytes: MAX_FETCH_PACK_BYTES + 1, commits: 1, left: 0 }],
    ['negative bytes', { v: 1, kind: 'pack', bytes: -1, commits: 1, left: 0 }],
    ['half a byte', { v: 1, kind: 'pack', bytes: 1.5, commits: 1, left: 0 }],
    ['a number beyond 2^53', { v: 1, kind: 'pack', bytes: 1, commits: 2n ** 60n, left: 0 }],
    ['a reason for terminals', { v: 1, kind: 'refusal', code: 'X', reason: '\u001b[2J' }],
    ['a long reason', { v: 1, kind: 'refusal', code: 'X', reason: 'x'.repeat(2_000) }],
  ])('a fetch answer: %s', (_what, value) => {
    expectProtocol(decodeFetchAnswer, encode(value))
  })

  it.each<[string, object]>([
    ['an id of 19 bytes', { cluster: id.subarray(1) }],
    ['an id as text', { cluster: '0'.repeat(40) }],
    ['no sequence', { sequence: undefined }],
    ['too many heads', { heads: Array.from({ length: MAX_HEADS_PER_MESSAGE + 1 }, () => id) }],
    ['a name for terminals', { name: '\u001b[2J' }],
    ['an empty name', { name: '' }],
    ['a long name', { name: 'x'.repeat(65) }],
    ['a name with a new line', { name: 'a\nb' }],
    ['an address for terminals', { addresses: ['/ip4/\u0007'] }],
    ['too many addresses', { peers: Array.from({ length: 65 }, () => '/ip4/1.2.3.4') }],
  ])('a hello: %s', (_what, change) => {
    const good = { v: 1, cluster: id, name: 'north', sequence: [1, 2], heads: [id], main: id, addresses: [], peers: [] }
    expect(decodeHello(encode(good)).name).toBe('north')
    expectProtocol(decodeHello, encode({ ...good, ...change }))
  })

  it('more than a frame, deep nesting, twin keys, indefinite lengths, __proto__', () => {
    for (const decode of Object.values(decoders)) {
      expectProtocol(decode, new Uint8Array(MAX_FRAME_BYTES + 1))
      expectProtocol(decode, new Uint8Array(MAX_FRAME_BYTES).fill(0x81))
      // {"v": 1, "v": 1}
      expectProtocol(decode, Uint8Array.of(0xa2, 0x61, 0x76, 1, 0x61, 0x76, 1))
      expectProtocol(decode, Uint8Array.of(0xbf, 0x61, 0x76, 1, 0xff))
    }
    const inner = [...encode({ v: 1, kind: 'end' })]
    const key = [0x69, ...new TextEncoder().encode('__proto__')]
    expectProtocol(decodeFetchAnswer, Uint8Array.of(0xa1, ...key, ...inner))
    expect(({} as { kind?: string }).kind).toBeUndefined()
  })
})
