import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { letRun, loadWriter, MIN_ACKNOWLEDGED_PER_SECOND, readLog, verify } from '../sigkill/killing.ts'
import { Model } from '../sigkill/model.ts'
import { fsckProblems } from './strict-fsck.ts'

const DISK_BYTES = 128 * 1024 * 1024

/**
 * Cuts the power of an ext4 in a file: FS_IOC_SHUTDOWN without a flush of its log. What was not synced is gone, renames that were
 * not synced too. Unlike a power cut it takes a moment, in which a sync that is under way may end well though its transaction was
 * thrown away (seen on Linux 6.18, with a program of twenty lines): so it says how long the log was when it began, and nothing counts as
 * acknowledged that was said later.
 */
const cutPower = `
  open(my $disk, '<', $ARGV[0]) or die $!;
  my $flag = pack('I', 2);
  my $said = -s $ARGV[1];
  ioctl($disk, 0x8004587d, $flag) or die $!;
  print $said;
`

/**
 * A node writes on a disk whose power goes, several times: after each it has all that it acknowledged, nothing is halved, and git
 * is content.
 */
export async function losePowerRepeatedly(seed: number, cuts: number, writeMs: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-power-'))
  const disk = makeDisk(directory)
  const data = join(disk.path, 'data')
  const model = new Model()
  let runningMs = 0
  try {
    for (let cut = 0; cut < cuts; cut++) {
      disk.mount()
      const log = join(directory, `log-${cut}`)
      const writer = await loadWriter(data, log, seed + cut)
      const exited = once(writer, 'exit')
      writer.stdin?.write('go\n')
      runningMs += await letRun(log, writeMs * (0.5 + ((seed + cut) % 10) / 10))
      const saidBytes = Number(execFileSync('perl', ['-e', cutPower, disk.path, log], { encoding: 'utf8' }))
      writer.kill('SIGKILL')
      await exited
      disk.unmount()
      disk.mount()
      model.add(readLog(log), readLog(log, saidBytes).length)
      expect(fsckProblems(data)).toEqual([])
      await verify(data, model)
      disk.unmount()
    }
  } finally {
    disk.unmount()
    rmSync(directory, { recursive: true, force: true })
  }
  expect((model.acknowledged / runningMs) * 1000).toBeGreaterThan(MIN_ACKNOWLEDGED_PER_SECOND)
  return model.acknowledged
}

interface Disk {
  readonly path: string
  mount(): void
  /** One that is not mounted is fine. */
  unmount(): void
}

function makeDisk(directory: string): Disk {
  const image = join(directory, 'disk')
  const path = join(directory, 'mounted')
  writeFileSync(image, '')
  truncateSync(image, DISK_BYTES)
  execFileSync('mkfs.ext4', ['-q', image])
  mkdirSync(path)
  let isMounted = false
  return {
    path,
    mount() {
      execFileSync('mount', ['-o', 'loop', image, path])
      isMounted = true
    },
    unmount() {
      if (isMounted) execFileSync('umount', [path])
      isMounted = false
    },
  }
}

/** May this process mount an ext4 and cut its power? */
export const canCutPower = triesToCutPower()
export const powerNote = canCutPower ? '' : ' (skipped: it needs root, loop devices, mkfs.ext4 and perl)'

function triesToCutPower(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const directory = mkdtempSync(join(tmpdir(), 'atoll-power-'))
  try {
    const disk = makeDisk(directory)
    disk.mount()
    const { status } = spawnSync('perl', ['-e', cutPower, disk.path, disk.path], { stdio: 'ignore' })
    disk.unmount()
    return status === 0
  } catch {
    return false
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
