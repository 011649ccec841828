import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { AtollError, type ObjectId } from '@atolldb/core'
import { Pace } from '../compaction/pace.ts'
import { readSourceIndex } from '../compaction/source-index.ts'
import { onFile } from '../files/system-errors.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { CHECKSUM_BYTES } from '../packs/pack-format.ts'
import type { PackFile } from '../packs/pack-file.ts'
import type { FileDamage } from './file-damage.ts'
import { packPaths, readIndex, withPackFile } from './opened-pack.ts'
import type { PackName } from './pack-names.ts'

export interface PackCheck {
  /** None: it is whole. */
  readonly damages: readonly FileDamage[]
  /** As its index counts them. */
  readonly objects: number
}

/**
 * Reads a pack and its index to the end: both checksums, that they belong together, and that each object can be read and
 * hashes to its id. Changes nothing; holds the index, and of the pack a few windows. Gives way to the event loop.
 *
 * @throws NOT_ACCESSIBLE, STORAGE_FAILED; ABORTED
 */
export async function checkPack(
  packDirectory: string,
  { name, hasPack, hasIndex }: PackName,
  options: { readonly signal?: AbortSignal; readonly onObject?: () => void } = {},
): Promise<PackCheck> {
  const paths = packPaths(packDirectory, name)
  const damages: FileDamage[] = []
  if (!hasPack)
    return { damages: [{ file: paths.pack, reason: 'its index is there, and the pack is not' }], objects: 0 }
  if (!hasIndex)
    return { damages: [{ file: paths.index, reason: 'the pack is there, and its index is not' }], objects: 0 }
  const pace = new Pace('the check of a pack', options.signal)
  pace.check()
  const index = await orDamage(paths.index, damages, () => readIndex(paths.index))
  const trailer = await orDamage(paths.pack, damages, () => checkChecksum(paths.pack, pace))
  if (index === undefined) return { damages, objects: 0 }
  if (trailer !== undefined && trailer.compare(index.packChecksum) !== 0)
    damages.push({ file: paths.index, reason: 'it is the index of another pack' })
  await withPackFile(paths.pack, index, async pack => {
    const damaged = await orDamage(paths.pack, damages, () => damagedObjects(pack, pace, options.onObject))
    if (damaged === undefined || damaged.count === 0) return
    const which = damaged.count === 1 ? `object ${damaged.first} is` : `${damaged.count} objects are`
    damages.push({ file: paths.pack, reason: `${which} damaged` })
  })
  return { damages, objects: index.objectCount }
}

async function damagedObjects(
  pack: PackFile,
  pace: Pace,
  onObject: (() => void) | undefined,
): Promise<{ count: number; first: ObjectId | undefined }> {
  const index = await readSourceIndex(pack, pace)
  let count = 0
  let first: ObjectId | undefined
  for (let i = 0; i < index.count; i++) {
    if (pace.spent()) await pace.giveWay()
    const id = index.bytes.toString('hex', index.idAt(i), index.idAt(i) + OBJECT_ID_BYTES) as ObjectId
    try {
      await pack.read(id, index.offsets[i]!)
    } catch (error) {
      if (!(error instanceof MalformedObject)) throw error
      count++
      first ??= id
    }
    onObject?.()
  }
  return { count, first }
}

/** Gives the checksum, if it is right. @throws MalformedObject, STORAGE_FAILED, NOT_ACCESSIBLE */
export async function checkChecksum(path: string, pace: Pace): Promise<Buffer> {
  const sha1 = createHash('sha1')
  let held = Buffer.alloc(0)
  await onFile(path, async () => {
    for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
      const bytes = Buffer.concat([held, chunk as Buffer])
      const end = Math.max(0, bytes.length - CHECKSUM_BYTES)
      sha1.update(bytes.subarray(0, end))
      held = bytes.subarray(end)
      if (pace.spent()) await pace.giveWay()
    }
  })
  if (held.length < CHECKSUM_BYTES || sha1.digest().compare(held) !== 0)
    throw new MalformedObject('its checksum is wrong')
  return held
}

/** Undefined where there is damage, which is noted. */
export async function orDamage<Result>(
  file: string,
  damages: FileDamage[],
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    // Bytes that the disk does not give are lost to us; what we may not read may be whole.
    const isLost = error instanceof AtollError && error.code === 'STORAGE_FAILED'
    if (!(error instanceof MalformedObject) && !isLost) throw error
    damages.push({ file, reason: error.message })
    return undefined
  }
}
