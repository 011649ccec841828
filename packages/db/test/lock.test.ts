import type * as Classic from 'classic-level'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { dataDirectory } from '../src/directory/data-directory.ts'
import { lockDirectory } from '../src/directory/lock.ts'
import { temporaryDirectory } from './temporary.ts'

/** What happens between the moment when a lock turns out damaged and that when it is mended. */
const meanwhile = vi.hoisted(() => ({ happens: async (): Promise<void> => undefined }))

vi.mock('classic-level', async importOriginal => {
  const real = await importOriginal<typeof Classic>()
  class WatchedLevel extends real.ClassicLevel {
    override async open(): Promise<void> {
      try {
        await super.open()
      } catch (error) {
        const { happens } = meanwhile
        meanwhile.happens = async () => undefined
        await happens()
        throw error
      }
    }
  }
  return { ...real, ClassicLevel: WatchedLevel }
})

afterEach(() => void (meanwhile.happens = async () => undefined))

const TAKE_LOCK = `
  const { ClassicLevel } = require('classic-level')
  require('node:fs').rmSync(process.argv[1] + '/CURRENT')
  new ClassicLevel(process.argv[1]).open().then(() => console.log('locked'))
  setInterval(() => undefined, 1000)`

function damaged() {
  const directory = dataDirectory(join(temporaryDirectory(), 'data'))
  const lock = join(directory.state, 'lock')
  mkdirSync(lock, { recursive: true })
  writeFileSync(join(lock, 'CURRENT'), 'garbage')
  return { directory, lock }
}

describe('a lock whose files are damaged', () => {
  test('is mended', async () => {
    const { directory } = damaged()
    const release = await lockDirectory(directory, 0)
    await expect(lockDirectory(directory, 0)).rejects.toMatchObject({ code: 'LOCKED' })
    await release()
    await (
      await lockDirectory(directory, 0)
    )()
  })

  test('is mended where it is a file', async () => {
    const directory = dataDirectory(join(temporaryDirectory(), 'data'))
    mkdirSync(directory.state, { recursive: true })
    writeFileSync(join(directory.state, 'lock'), 'garbage')
    await (
      await lockDirectory(directory, 0)
    )()
  })

  test('is not taken from another process that mended it first', async () => {
    const { directory, lock } = damaged()
    let child: ChildProcess | undefined
    meanwhile.happens = async () => {
      const other = spawn(process.execPath, ['-e', TAKE_LOCK, lock], {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      child = other
      await once(other.stdout, 'data')
    }
    await expect(lockDirectory(directory, 0)).rejects.toMatchObject({ code: 'LOCKED' })
    child?.kill('SIGKILL')
    await once(child!, 'exit')
    await (
      await lockDirectory(directory, 0)
    )()
  })
})
