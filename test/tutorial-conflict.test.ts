import { createServer, type AddressInfo } from 'node:net'
import { it } from 'vitest'
import { runPage } from './run-page.ts'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

it('docs/tutorial-conflict.md does what it says', async () => {
  const port = String(await freePort())
  await runPage('tutorial-conflict.md', commands => commands.replaceAll('4501', port))
}, 120_000)
