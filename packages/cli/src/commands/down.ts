import { setTimeout as delay } from 'node:timers/promises'
import { AtollError } from '@atolldb/core/errors'
import { readDoorFile, type DoorFile } from '@atolldb/server/door-file'
import type { Command } from 'commander'
import { isAlive } from '../connection.ts'
import { notRunning } from '../failures.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'

const DOWN_TIMEOUT_MS = 30_000
const POLL_MS = 25

export function addDown(program: Command, io: Io): void {
  program
    .command('down')
    .description('end the running node in good order')
    .action(async (_options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { directory, out } = invocation
      const ended = await withConnection(
        invocation,
        async ({ client, running }) => {
          if (running === undefined) throw notRunning(directory)
          await client.shutdown()
          await waitForEnd(directory, running)
          return running
        },
        { needsRunningNode: true },
      )
      if (out.json) await out.object({ schema: 'atoll/down/v1', pid: ended.pid })
      else out.note(`the node on ${directory} is down`)
    })
}

/** Another process's end cannot be awaited, only looked for. @throws TIMEOUT */
async function waitForEnd(directory: string, door: DoorFile): Promise<void> {
  const deadline = performance.now() + DOWN_TIMEOUT_MS
  while (isAlive(door.pid) && door.pid !== process.pid) {
    if (performance.now() > deadline) {
      // An application that embeds the node may go on without it.
      if ((await readDoorFile(directory))?.token !== door.token) return
      throw new AtollError('TIMEOUT', `process ${door.pid} has not ended`, { what: 'down', timeoutMs: DOWN_TIMEOUT_MS })
    }
    await delay(POLL_MS)
  }
}
