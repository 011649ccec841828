import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { fileInMemory } from '../src/files/windowed-files.ts'
import { PackFile } from '../src/packs/pack-file.ts'
import { MemoryPackIndex } from '../src/packs/pack-index.ts'
import { openRepository, temporaryDirectory } from './fixtures.ts'
import { VersionHistory } from './version-history.ts'

/** As a node has opened that ran for long: each seal is a pack, and so is each merge of packs. */
const PACKS_BEFORE = 2 ** 21

it('takes no object for another, however many packs were opened before', async () => {
  const repository = await openRepository(join(temporaryDirectory(), 'repo.git'), { create: true })
  const history = new VersionHistory(repository)
  await history.grow(40)
  await repository.compact({ all: true })
  const packs = join(repository.directory, 'objects/pack')
  const [name] = readdirSync(packs).filter(file => file.endsWith('.idx'))
  const index = new MemoryPackIndex(readFileSync(join(packs, name!)))
  const file = fileInMemory('none', Buffer.alloc(0))
  const openAnother = (): PackFile => new PackFile(file, index)
  for (let i = 0; i < PACKS_BEFORE; i++) openAnother()
  const again = await openRepository(repository.directory)
  for (const id of history.objects) expect(await again.readObject(id)).toEqual(await repository.readObject(id))
})
