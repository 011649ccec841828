import { hash } from 'node:crypto'
import { deflateSync } from 'node:zlib'

/** An entry of a pack, right or wrong; bytes are taken as they are. */
export type RawEntry =
  Uint8Array | { kind: number; content: Uint8Array; size?: number; stream?: Uint8Array; base?: Uint8Array }

/** Encodes an entry of a pack as it is told, so that wrong packs can be made. */
export function rawEntry({ kind, content, size, stream, base }: Exclude<RawEntry, Uint8Array>): Buffer {
  let rest = size ?? content.length
  const header = [(kind << 4) | (rest & 15)]
  for (rest = Math.floor(rest / 16); rest > 0; rest = Math.floor(rest / 128)) {
    header[header.length - 1]! |= 0x80
    header.push(rest & 0x7f)
  }
  return Buffer.concat([Buffer.from(header), base ?? Buffer.alloc(0), stream ?? deflateSync(content)])
}

/** A pack with the right checksum, and otherwise what it is told. */
export function rawPack(entries: readonly RawEntry[], count = entries.length): Buffer {
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1')
  head.writeUInt32BE(count, 8)
  return sealPack(Buffer.concat([head, ...entries.map(e => (e instanceof Uint8Array ? e : rawEntry(e)))]))
}

/** Puts the right checksum behind. */
export function sealPack(body: Uint8Array): Buffer {
  return Buffer.concat([body, hash('sha1', body, 'buffer')])
}
