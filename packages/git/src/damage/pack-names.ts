import { readdir } from 'node:fs/promises'
import { onFile } from '../files/system-errors.ts'

/** A pack as far as it is there: one of the two files may be lost. */
export interface PackName {
  /** `pack-<name>.pack` and `.idx`. */
  readonly name: string
  readonly hasPack: boolean
  readonly hasIndex: boolean
}

/** Every pack of a directory, by name. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function listPackNames(packDirectory: string): Promise<PackName[]> {
  const files = new Set(await onFile(packDirectory, () => readdir(packDirectory)))
  const names = new Set<string>()
  for (const file of files) {
    const name = /^pack-(.+)\.(?:pack|idx)$/.exec(file)?.[1]
    if (name !== undefined) names.add(name)
  }
  return [...names].sort().map(name => ({
    name,
    hasPack: files.has(`pack-${name}.pack`),
    hasIndex: files.has(`pack-${name}.idx`),
  }))
}
