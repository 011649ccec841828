/** Is this the masked CRC-32C of those bytes, as LevelDB stores it beside them? */
export function hasChecksum(bytes: Buffer, masked: number): boolean {
  return unmasked(masked) === crc32c(bytes)
}

/** LevelDB stores a checksum turned and shifted, so that one of data that holds checksums stays a good one. */
function unmasked(masked: number): number {
  const turned = (masked - 0xa282ead8) >>> 0
  return ((turned >>> 17) | (turned << 15)) >>> 0
}

/** CRC-32C (Castagnoli), which `zlib.crc32` is not. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  // An index and no iterator: tables of many megabytes go through here.
  for (let at = 0; at < bytes.length; at++) crc = CRC_TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc >>> 0
})
