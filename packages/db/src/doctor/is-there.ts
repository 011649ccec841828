import { stat } from 'node:fs/promises'
import { isNotFound, onFile } from '@atolldb/git'

/** Is there a file or directory of that name? @throws NOT_ACCESSIBLE where that cannot be known */
export async function isThere(path: string): Promise<boolean> {
  return onFile(path, async () => {
    try {
      await stat(path)
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  })
}
