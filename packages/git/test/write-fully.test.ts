import { describe, expect, it } from 'vitest'
import { systemErrorCode, type WriteAt, writeFully } from '@atolldb/git'

/** A file that takes so many bytes a write. */
function fileThatTakes(counts: readonly number[]) {
  const written: { text: string; position: number | null }[] = []
  const left = [...counts]
  const write: WriteAt = async (bytes, offset, length, position) => {
    const bytesWritten = Math.min(length, left.shift() ?? 0)
    written.push({ text: Buffer.from(bytes.subarray(offset, offset + bytesWritten)).toString(), position })
    return { bytesWritten }
  }
  return { written, write }
}

describe('writing fully', () => {
  it.each([
    [null, null],
    [10, 13],
  ])('goes on where a write ended early, from position %s', async (position, next) => {
    const file = fileThatTakes([3, 99])
    await writeFully(file, Buffer.from('abcdef'), position)
    expect(file.written).toEqual([
      { text: 'abc', position },
      { text: 'def', position: next },
    ])
  })

  it('fails when the system takes nothing', async () => {
    const file = fileThatTakes([3, 0, 3])
    const error: unknown = await writeFully(file, Buffer.from('abcdef')).catch((reason: unknown) => reason)
    expect(systemErrorCode(error)).toBe('EIO')
  })
})
