import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes of each pack and each index of a bare repository, by file name: what stock git adds to them (bitmaps) is left out. */
export function packFiles(repository) {
  const directory = join(repository, 'objects/pack')
  const sizeByName = new Map()
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    // A pack may go while packs are merged.
    if (/\.(pack|idx)$/.test(name) && existsSync(path)) sizeByName.set(name, statSync(path).size)
  }
  return sizeByName
}

export function packBytes(repository) {
  return [...packFiles(repository).values()].reduce((sum, size) => sum + size, 0)
}

/** Bytes of the packs and indexes that the work leaves and that were not there before. */
export async function packBytesWrittenBy(repository, work) {
  const before = packFiles(repository)
  await work()
  return [...packFiles(repository)].reduce((sum, [name, size]) => (before.has(name) ? sum : sum + size), 0)
}
