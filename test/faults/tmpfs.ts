import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system in memory with so much room, mounted for as long as `work` takes. */
export async function withTmpfs(sizeMb: number, work: (disk: Tmpfs) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'atoll-tmpfs-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', path])
  try {
    await work({
      path,
      resize: megabytes => void execFileSync('mount', ['-o', `remount,size=${megabytes}m`, path]),
    })
  } finally {
    execFileSync('umount', [path])
    rmdirSync(path)
  }
}

export interface Tmpfs {
  readonly path: string
  resize(megabytes: number): void
}

/** May this process mount anything? Root in a container often may not. */
export const canMount = triesToMount()

function triesToMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const path = mkdtempSync(join(tmpdir(), 'atoll-tmpfs-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { stdio: 'ignore' })
    execFileSync('umount', [path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    rmdirSync(path)
  }
}

/** For the names of tests that are skipped where nothing can be mounted. */
export const mountNote = canMount ? '' : ' (skipped: it needs root, to mount a small disk)'
