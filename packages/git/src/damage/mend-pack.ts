import { join } from 'node:path'
import type { ObjectId } from '@atolldb/core'
import { Pace } from '../compaction/pace.ts'
import { randomSuffix, renameDurably, writeNewFile } from '../files/durable-files.ts'
import type { RandomAccessFile } from '../files/windowed-files.ts'
import { MalformedObject, unlessMalformed } from '../objects/malformed-object.ts'
import { hashObject } from '../objects/object-id.ts'
import { PackBuilder } from '../packs/pack-builder.ts'
import { CHECKSUM_BYTES, PACK_HEADER_BYTES, parsePackHeader } from '../packs/pack-format.ts'
import type { PackedBytes, PackFile } from '../packs/pack-file.ts'
import { encodePackIndexInSlices } from '../packs/encode-pack-index.ts'
import { PackIndexBuilder } from '../packs/pack-index-builder.ts'
import type { MemoryPackIndex } from '../packs/pack-index.ts'
import { TEMPORARY_PREFIX, writePack } from '../repository/install-pack.ts'
import { checkChecksum } from './check-pack.ts'
import { idsOf } from './index-ids.ts'
import { GrowingIndex, packPaths, readIndex, withPackFile } from './opened-pack.ts'
import type { PackName } from './pack-names.ts'
import { walkPack } from './walk-pack.ts'

/** Salvaged objects are written in packs of about this size. */
const SALVAGE_PACK_BYTES = 16 * 1024 * 1024

/** Puts a damaged file where nobody takes it for a whole one; durable when it resolves. */
export type SetAside = (file: string) => Promise<void>

export interface MendedPack {
  /** `index`: the pack was whole, and has its index again. `salvaged`: what was whole is in new packs. */
  readonly how: 'index' | 'salvaged'
  /** Objects that were found whole. */
  readonly objects: number
  /** Of the index, as far as there is one: objects that could not be read. */
  readonly lost: readonly ObjectId[]
}

/**
 * Mends a pack that `checkPack` found damage in. What is new is durable before anything old is set aside, and nothing is
 * removed. A lost pack leaves its index to say what was lost.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function mendPack(
  packDirectory: string,
  { name, hasPack, hasIndex }: PackName,
  setAside: SetAside,
): Promise<MendedPack> {
  const { pack, index } = packPaths(packDirectory, name)
  const pace = new Pace('the mending of a pack')
  const known = hasIndex ? await unlessMalformed(() => readIndex(index)) : undefined
  if (!hasPack) {
    const lost = known === undefined ? [] : idsOf(known)
    await setAside(index)
    return { how: 'salvaged', objects: 0, lost }
  }
  const made = await unlessMalformed(() => makeIndex(pack, pace))
  if (made !== undefined) {
    const temporary = join(packDirectory, `${TEMPORARY_PREFIX}idx_${randomSuffix()}`)
    await writeNewFile(temporary, [made.bytes], { mode: 0o444 })
    if (hasIndex) await setAside(index)
    await renameDurably(temporary, index)
    return { how: 'index', objects: made.objects, lost: [] }
  }
  const salvage = new Salvage(packDirectory)
  // An index knows where each object begins, whatever the bytes between them have become.
  let lost = known === undefined ? [] : await salvageIndexed(pack, known, salvage, pace)
  if (known === undefined || lost.length > 0) {
    const found = await salvageWalked(pack, salvage, pace)
    lost = lost.filter(id => found.find(id) === undefined)
  }
  await salvage.finish()
  if (hasIndex) await setAside(index)
  await setAside(pack)
  return { how: 'salvaged', objects: salvage.count, lost }
}

/** Collects whole objects and writes them as packs of bounded size. */
class Salvage {
  readonly #packDirectory: string
  #builder = new PackBuilder()
  #written = 0

  constructor(packDirectory: string) {
    this.#packDirectory = packDirectory
  }

  get count(): number {
    return this.#written + this.#builder.objectCount
  }

  async add({ type, bytes }: PackedBytes, id: ObjectId): Promise<void> {
    this.#builder.add(type, bytes, id)
    if (this.#builder.sizeBytes >= SALVAGE_PACK_BYTES) await this.finish()
  }

  async finish(): Promise<void> {
    if (this.#builder.objectCount === 0) return
    this.#written += this.#builder.objectCount
    await writePack(this.#packDirectory, this.#builder.finish())
    this.#builder = new PackBuilder()
  }
}

/** Returns the ids of those that could not be read. */
async function salvageIndexed(path: string, index: MemoryPackIndex, salvage: Salvage, pace: Pace): Promise<ObjectId[]> {
  const lost: ObjectId[] = []
  const entries = idsOf(index).map(id => ({ id, offset: index.find(id) ?? 0 }))
  entries.sort((a, b) => a.offset - b.offset)
  const salvageAll = async (pack: PackFile): Promise<void> => {
    for (const { id, offset } of entries) {
      if (pace.spent()) await pace.giveWay()
      const object = await unlessMalformed(() => pack.resolve(offset))
      if (object !== undefined && hashObject(object.type, object.bytes) === id) await salvage.add(object, id)
      else lost.push(id)
    }
  }
  await withPackFile(path, index, salvageAll, { mayBeTruncated: true })
  return lost
}

/** Returns what was found. */
async function salvageWalked(path: string, salvage: Salvage, pace: Pace): Promise<GrowingIndex> {
  const found = new GrowingIndex()
  const salvageAll = async (pack: PackFile, file: RandomAccessFile): Promise<void> => {
    for await (const object of walkPack(pack, file, found, pace, file.sizeBytes))
      if ('id' in object) await salvage.add(object, object.id)
  }
  await withPackFile(path, found, salvageAll, { mayBeTruncated: true })
  return found
}

/** The index of a pack that is whole. @throws MalformedObject when it is not */
async function makeIndex(path: string, pace: Pace): Promise<{ bytes: Buffer; objects: number }> {
  const checksum = await checkChecksum(path, pace)
  const growing = new GrowingIndex()
  const builder = new PackIndexBuilder()
  return withPackFile(path, growing, async (pack, file) => {
    const count = parsePackHeader(await file.read(0, PACK_HEADER_BYTES))
    for await (const found of walkPack(pack, file, growing, pace, file.sizeBytes - CHECKSUM_BYTES)) {
      if (!('id' in found)) throw new MalformedObject('an entry is damaged')
      builder.add(found.id, found.offset, found.crc)
    }
    const bytes = await encodePackIndexInSlices(builder.columns, checksum, pace)
    if (bytes === undefined || builder.count !== count) throw new MalformedObject('its entries are not what it counts')
    return { bytes, objects: count }
  })
}
