/**
 * Text as bytes: ids sort by their UTF-8 bytes, which is not the order of JavaScript strings where surrogates are involved.
 */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const loneSurrogate = /\p{Surrogate}/u
// oxlint-disable-next-line no-control-regex -- the ASCII range is meant
const asciiOnly = /^[\x00-\x7f]*$/

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** @throws TypeError when the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

/** No lone surrogate, so that it has an UTF-8 form. */
export function isWellFormed(text: string): boolean {
  return !loneSurrogate.test(text)
}

/** Bytes of the UTF-8 form of a well-formed string. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    // A pair of surrogates is four bytes: two for each unit.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return bytes
}

/**
 * The UTF-8 bytes of a string as a string of one character per byte: compared with `<` it sorts as the bytes do, and its
 * prefixes are the bytes' prefixes. ASCII text is its own byte string.
 */
export type ByteString = string

export function toByteString(text: string): ByteString {
  if (asciiOnly.test(text)) return text
  let out = ''
  for (const byte of encoder.encode(text)) out += String.fromCharCode(byte)
  return out
}

/** @throws TypeError when the bytes are not UTF-8. */
export function fromByteString(bytes: ByteString): string {
  if (asciiOnly.test(bytes)) return bytes
  return decoder.decode(Uint8Array.from(bytes, character => character.charCodeAt(0)))
}

/** Order of the UTF-8 bytes of two well-formed strings: negative, zero, positive. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    // Surrogates (code points beyond U+FFFF) sort after U+E000…U+FFFF in UTF-8, before them in UTF-16.
    if (x >= 0xd800 && y >= 0xd800) return sortKey(x) - sortKey(y)
    return x - y
  }
  return a.length - b.length
}

function sortKey(unit: number): number {
  return unit <= 0xdfff ? unit + 0x2000 : unit - 0x800
}
