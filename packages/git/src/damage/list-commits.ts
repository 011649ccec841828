import type { CommitId } from '@atolldb/core'
import { unlessMalformed } from '../objects/malformed-object.ts'
import { idsOf } from './index-ids.ts'
import { packPaths, readIndex, withPackFile } from './opened-pack.ts'
import { listPackNames } from './pack-names.ts'

/** Every commit in the packs of a directory that can be read. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function listCommits(packDirectory: string): Promise<CommitId[]> {
  const commits = new Set<CommitId>()
  for (const { name, hasPack, hasIndex } of await listPackNames(packDirectory)) {
    if (!hasPack || !hasIndex) continue
    const paths = packPaths(packDirectory, name)
    const index = await unlessMalformed(() => readIndex(paths.index))
    if (index === undefined) continue
    await withPackFile(paths.pack, index, async pack => {
      for (const id of idsOf(index)) {
        const object = await unlessMalformed(() => pack.read(id, index.find(id) ?? 0))
        if (object?.type === 'commit') commits.add(id as CommitId)
      }
    })
  }
  return [...commits]
}
