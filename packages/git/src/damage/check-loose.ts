import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isAtollError, type ObjectId } from '@atolldb/core'
import { isNotFound, onFile } from '../files/system-errors.ts'
import { readLooseObject } from '../repository/loose-objects.ts'
import type { FileDamage } from './file-damage.ts'

/** Every loose object that is damaged. Stock git writes them; we only read them. @throws NOT_ACCESSIBLE */
export async function checkLooseObjects(repositoryDirectory: string): Promise<FileDamage[]> {
  const objects = join(repositoryDirectory, 'objects')
  const damages: FileDamage[] = []
  for (const directory of await namesIn(objects)) {
    if (!/^[0-9a-f]{2}$/.test(directory)) continue
    for (const name of await namesIn(join(objects, directory))) {
      if (!/^[0-9a-f]{38}$/.test(name)) continue
      try {
        await readLooseObject(objects, `${directory}${name}` as ObjectId)
      } catch (error) {
        if (!isAtollError(error, 'CORRUPT') && !isAtollError(error, 'STORAGE_FAILED')) throw error
        damages.push({ file: join(objects, directory, name), reason: error.data.reason })
      }
    }
  }
  return damages
}

async function namesIn(path: string): Promise<string[]> {
  return onFile(path, async () => {
    try {
      return (await readdir(path)).sort()
    } catch (error) {
      if (isNotFound(error)) return []
      throw error
    }
  })
}
