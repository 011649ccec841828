import { say, section, showCommand, table } from './terminal.mjs'

/** Starts a, then b and c, which know nothing but the address of a. */
export async function raiseIslands([a, b, c], checks) {
  section('Three nodes', 'b and c know the address of a, and nothing else.')
  await a.up()
  showCommand('atoll --data ./a up --name a --listen /ip4/127.0.0.1/tcp/0')
  await Promise.all([b.up(a.address), c.up(a.address)])
  for (const { name } of [b, c])
    showCommand(`atoll --data ./${name} up --name ${name} --bootstrap ${shortAddress(a.address)}`)
  await a.run('sync', '--peers', '2', '--timeout', '30s')
  showCommand('atoll --data ./a sync --peers 2', 'both are here')

  const islands = [a, b, c]
  const statuses = await Promise.all(islands.map(island => island.json('status')))
  say()
  table(
    ['node', 'id', 'address', 'cluster'],
    statuses.map((status, index) => [
      islands[index].name,
      `…${status.node.slice(-6)}`,
      shortAddress(status.addresses[0]),
      status.cluster?.slice(0, 10) ?? 'none',
    ]),
  )
  say()
  const clusterByName = Object.fromEntries(statuses.map((status, index) => [islands[index].name, status.cluster]))
  checks.allEqual('all three belong to one cluster', clusterByName)
}

function shortAddress(address) {
  return address.replace(/\/p2p\/.*(.{6})$/, '/p2p/…$1')
}
