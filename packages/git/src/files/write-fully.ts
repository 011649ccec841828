import { constants } from 'node:os'

/** May write less than `length`. A position of null is where the file is at. */
export type WriteAt = (
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number | null,
) => Promise<{ bytesWritten: number }>

/**
 * Writes all of it, by default where the file is at; not durable. Throws system errors, EIO also for a disk that takes nothing and
 * says nothing: asking it again might never end.
 */
export async function writeFully(
  file: { readonly write: WriteAt },
  bytes: Uint8Array,
  position: number | null = null,
): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const at = position === null ? null : position + written
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, at)
    if (bytesWritten === 0)
      throw Object.assign(new Error('EIO: the system wrote nothing'), { code: 'EIO', errno: -constants.errno.EIO })
    written += bytesWritten
  }
}
