import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { type CommitId, encodeFetchAnswer, type NodeId, type ObjectId } from '@atolldb/core'
import { encodeTree, hashObject } from '@atolldb/git'
import { MemoryNetwork, rawPack } from '@atolldb/testkit'
import { describe, expect, it } from 'vitest'
import { type ForgedObject, Forger, packOf, signerOf } from './forger.ts'
import { eventually, fsck, git, openCluster, openNode, repositoryOf, settled, type TestNode } from './nodes.ts'
import { answerOf, framesOf, Puppet } from './puppet.ts'

/** A peer that lies over the real fetch protocol; each lie leaves no trace but its reason. */

interface Scene {
  readonly network: MemoryNetwork
  readonly honest: TestNode
  readonly victim: TestNode
  readonly puppet: Puppet
  readonly forger: Forger
  readonly main: CommitId
}

async function openScene(): Promise<Scene> {
  const network = new MemoryNetwork()
  const [honest, victim] = await openCluster(network, 2)
  for (const id of ['north', 'south']) await honest!.db.object('farms').put(id, { id })
  await honest!.db.list('readings').insert({ at: 1 })
  const { commit } = await honest!.db.flush()
  await settled(honest!, victim!)
  const puppet = await Puppet.start(network, victim!.db.cluster!, victim!.port)
  const forger = await Forger.upon(victim!)
  return { network, honest: honest!, victim: victim!, puppet, forger, main: commit }
}

interface Offer {
  readonly heads: readonly CommitId[]
  readonly packs: readonly Uint8Array[]
}

type Lie = (scene: Scene) => Promise<Offer>

/** A pack with one commit, forged or not, and what else the lie makes of the pack's objects. */
function commitLie(
  forging: Parameters<Forger['commit']>[1],
  change: (objects: ForgedObject[]) => readonly Pick<ForgedObject, 'type' | 'bytes'>[] = objects => objects,
): Lie {
  return async ({ forger, main }) => {
    const head = await forger.commit(main, forging)
    return { heads: [head], packs: [packOf(change(forger.take()))] }
  }
}

const mallory = signerOf(9)

const lies: Record<string, readonly [RegExp, Lie]> = {
  'a signature of another commit': [
    /signature/,
    commitLie({ change: commit => ({ ...commit, signature: mallory.sign({ ...commit, message: 'other' }) }) }),
  ],
  'a signature by another key than its author': [
    /signature/,
    commitLie({ signer: { node: mallory.node, sign: commit => signerOf(7).sign(commit) } }),
  ],
  'no signature': [
    /not signed/,
    commitLie({
      change: ({ signature: _signature, ...unsigned }) => unsigned,
    }),
  ],
  'an author line of somebody else': [
    /author/,
    commitLie({
      change: commit => {
        const { signature: _signature, ...unsigned } = commit
        const author = { ...unsigned.author, email: `${mallory.node}@atoll` }
        const forged = { ...unsigned, author, committer: author }
        return { ...forged, signature: signerOf(7).sign(forged) }
      },
    }),
  ],
  'a signed commit with two parents': [
    /merge commit/,
    async ({ forger, main, victim }) => {
      const parents = [main, victim.db.cluster!].sort()
      const head = await forger.commit(main, {
        change: ({ signature: _signature, ...unsigned }) => {
          const forged = { ...unsigned, parents }
          return { ...forged, signature: signerOf(7).sign(forged) }
        },
      })
      return { heads: [head], packs: [packOf(forger.take())] }
    },
  ],
  'a clock before that of its parent': [/clock/, commitLie({ clock: { ms: 1_700_000_000_000, counter: 0 } })],
  'a tree that is not canonical': [
    /beside the collections/,
    async ({ forger, main }) => {
      const head = await forger.commit(main, {
        tree: async tree => {
          const id = forger.writeBlob(Buffer.from('hello'))
          return forger.writeTree([...(await forger.readTree(tree)), { name: 'readme', type: 'blob', id }])
        },
      })
      return { heads: [head], packs: [packOf(forger.take())] }
    },
  ],
  'a commit that changes nothing': [
    /changes nothing/,
    async ({ forger, main }) => {
      const { tree } = await forger.graph.node(main)
      const head = await forger.commit(main, { tree: () => tree })
      return { heads: [head], packs: [packOf(forger.take().filter(({ type }) => type === 'commit'))] }
    },
  ],
  'the root of another cluster': [
    /root|missing/,
    async ({ network }) => {
      const other = await openNode(network)
      await other.db.object('farms').put('theirs', {})
      const { commit } = await other.db.flush()
      const forger = await Forger.upon(other)
      const objects: ForgedObject[] = []
      for (const id of git(other, 'cat-file', '--batch-all-objects', '--batch-check=%(objectname)').split('\n')) {
        if (id === '') continue
        objects.push({ id: id as ObjectId, ...(await forger.readObject(id as ObjectId)) })
      }
      return { heads: [commit], packs: [packOf(objects)] }
    },
  ],
  'a merge commit with another tree': [
    /not the merge of its parents/,
    async ({ forger, main }) => {
      const [one, two] = [await forger.commit(main, { id: 'one' }), await forger.commit(main, { id: 'two' })]
      const { tree } = await forger.graph.node(one)
      const seconds = (await forger.readCommit(one)).author.seconds
      const author = { name: 'Atoll', email: 'merge@atoll', seconds }
      const merge = forger.writeCommit({
        tree,
        parents: [one, two].sort(),
        author,
        committer: author,
        message: 'Merge 2 heads\n',
      })
      const head = await forger.commit(merge, { id: 'three' })
      return { heads: [head], packs: [packOf(forger.take())] }
    },
  ],
  'an object whose bytes are not what was named': [
    /missing|needs/,
    commitLie({}, objects =>
      objects.map(({ type, bytes }) => ({ type, bytes: type === 'blob' ? Buffer.from('{"by":"else"}') : bytes })),
    ),
  ],
  'garbage beside a good commit': [
    /needs/,
    commitLie({}, objects => [...objects, { type: 'blob', bytes: Buffer.from('garbage') }]),
  ],
  'a merge commit that nothing stands on': [
    /needs/,
    async ({ forger, main }) => {
      const [one, two] = [await forger.commit(main, { id: 'one' }), await forger.commit(main, { id: 'two' })]
      const good = forger.take()
      const three = await forger.commit(one, { id: 'two' })
      const { tree } = await forger.graph.node(three)
      forger.take()
      const author = { name: 'Atoll', email: 'merge@atoll', seconds: (await forger.readCommit(one)).author.seconds }
      const message = 'Merge 2 heads\n'
      forger.writeCommit({ tree, parents: [one, two].sort(), author, committer: author, message })
      return { heads: [one, two], packs: [packOf([...good, ...forger.take()])] }
    },
  ],
  'a delta': [
    /delta/,
    async ({ forger, main }) => {
      const head = await forger.commit(main)
      const base = Buffer.from(main, 'hex')
      return { heads: [head], packs: [rawPack([{ kind: 7, content: Buffer.from([1, 1, 1, 65]), base }])] }
    },
  ],
  'a deflate bomb': [
    /pack is refused/,
    async ({ forger, main }) => {
      const head = await forger.commit(main)
      const stream = deflateSync(Buffer.alloc(64 * 1024 * 1024))
      return { heads: [head], packs: [rawPack([{ kind: 3, content: Buffer.alloc(0), size: 10, stream }])] }
    },
  ],
  'a million objects announced': [
    /pack/,
    async ({ forger, main }) => {
      const head = await forger.commit(main)
      return { heads: [head], packs: [rawPack([], 0xffffffff)] }
    },
  ],
  'a forged trailer': [
    /pack is refused/,
    async ({ forger, main }) => {
      const head = await forger.commit(main)
      const pack = packOf(forger.take())
      pack[pack.length - 1]! ^= 1
      return { heads: [head], packs: [pack] }
    },
  ],
  'trees with .git': [
    /pack is refused/,
    async ({ forger, main }) => {
      const head = await forger.commit(main)
      const objects = forger.take()
      const [blob] = objects.filter(({ type }) => type === 'blob')
      const evil = Buffer.from(encodeTree([{ name: 'agit', type: 'blob', id: blob!.id }]))
      evil.write('.git', evil.indexOf('agit'))
      return { heads: [head], packs: [packOf([...objects, { type: 'tree', bytes: evil }])] }
    },
  ],
  'a head that names nothing': [
    /does not send it/,
    async () => ({ heads: [hashObject('blob', Buffer.from('nothing')) as CommitId], packs: [] }),
  ],
  'another commit than the one it told of': [
    /does not send it/,
    async ({ main, forger }) => {
      const head = await forger.commit(main, { id: 'a' })
      const objects: ForgedObject[] = [{ id: main, ...(await forger.readObject(main)) }]
      const { tree } = await forger.readCommit(main)
      const parent = (await forger.readCommit(main)).parents[0]
      expect(tree).not.toBe(parent)
      return { heads: [head], packs: [packOf(await withTrees(forger, objects, tree, parent))] }
    },
  ],
}

/** What a commit needs: everything of its tree that its parent lacks. */
async function withTrees(
  forger: Forger,
  objects: ForgedObject[],
  tree: ObjectId,
  parent: CommitId | undefined,
): Promise<ForgedObject[]> {
  const { newObjects } = await import('../../src/replication/new-objects.ts')
  const older = parent === undefined ? undefined : (await forger.readCommit(parent)).tree
  for await (const ids of newObjects(forger, older, tree))
    for (const id of ids) objects.push({ id, ...(await forger.readObject(id)) })
  return objects
}

function traces(victim: TestNode): unknown {
  return {
    objects: git(victim, 'cat-file', '--batch-all-objects', '--batch-check=%(objectname)'),
    fsck: git(victim, 'fsck', '--strict', '--full'),
    quarantine: readdirSync(join(repositoryOf(victim), 'objects')).filter(name => name.startsWith('quarantine')),
    refs: git(victim, 'for-each-ref'),
  }
}

function errorOf(node: TestNode, peer: NodeId): string | undefined {
  return node.db.peers().find(({ id }) => id === peer)?.error
}

async function expectHonestSync({ honest, victim }: Scene): Promise<void> {
  await honest.db.object('farms').put('after', { fine: true })
  await settled(honest, victim)
  expect(await victim.db.object('farms').get('after')).toEqual({ fine: true })
  fsck(victim)
}

describe('what a lying peer sends leaves no trace', () => {
  it.each(Object.entries(lies))('%s', async (_name, [reason, lie]) => {
    const scene = await openScene()
    const { victim, puppet } = scene
    const before = traces(victim)
    const { heads, packs } = await lie(scene)
    await puppet.offer(victim.self, heads, ...packs)
    await eventually(() => expect(errorOf(victim, puppet.self)).toMatch(reason))
    expect((await victim.db.status()).main).toBe(scene.main)
    expect(traces(victim)).toEqual(before)
    // Backed off: telling it again does not help.
    expect(puppet.requests).toHaveLength(1)
    await puppet.tell(victim.self)
    await puppet.tell(victim.self)
    expect(puppet.requests).toHaveLength(1)
    expect(errorOf(victim, puppet.self)).toMatch(reason)
    await expectHonestSync(scene)
  })

  it('a pack that lacks any one of its objects', async () => {
    const scene = await openScene()
    const { victim, forger, main, network } = scene
    const head = await forger.commit(main)
    const objects = forger.take()
    const before = traces(victim)
    for (const missing of objects) {
      if (missing.type === 'commit') continue
      const puppet = await Puppet.start(network, victim.db.cluster!, victim.port)
      await eventually(() => expect(puppet.transport.peers()).toHaveLength(1))
      await puppet.offer(victim.self, [head], packOf(objects.filter(({ id }) => id !== missing.id)))
      await eventually(() => expect(errorOf(victim, puppet.self)).toMatch(/missing/))
      expect(traces(victim)).toEqual(before)
    }
    // The whole pack from the next one is good: who lied does not stand in its way.
    await scene.puppet.offer(victim.self, [head], packOf(objects))
    await eventually(async () => expect((await victim.db.status()).main).toBe(head))
    await settled(scene.honest, victim)
    fsck(victim)
  })

  it('keeps the peer waiting after it has dialled again', async () => {
    const scene = await openScene()
    const { victim, puppet, network } = scene
    const [, lie] = lies['no signature']!
    const { heads, packs } = await lie(scene)
    await puppet.offer(victim.self, heads, ...packs)
    await eventually(() => expect(errorOf(victim, puppet.self)).toMatch(/^refused: .*not signed/))
    expect((await victim.db.status()).state).toBe('degraded')
    network.cut(puppet.self, victim.self)
    network.heal(puppet.self, victim.self)
    await eventually(() => puppet.tell(victim.self))
    expect(puppet.requests).toHaveLength(1)
    await expectHonestSync(scene)
  })
})

describe('a stream that never is what it should be', () => {
  const good = async ({ forger, main }: Scene): Promise<{ head: CommitId; pack: Buffer }> => {
    const head = await forger.commit(main)
    return { head, pack: packOf(forger.take()) }
  }

  it('is cut short', async () => {
    const scene = await openScene()
    const { victim, puppet } = scene
    const before = traces(victim)
    const { head, pack } = await good(scene)
    puppet.heads = [head]
    puppet.script = frames =>
      frames.send([
        encodeFetchAnswer({ kind: 'pack', bytes: pack.length, commits: 1, left: 0 }),
        pack.subarray(0, pack.length / 2),
      ])
    await puppet.tell(victim.self)
    await eventually(() => expect(errorOf(victim, puppet.self)).toMatch(/ended early/))
    expect(traces(victim)).toEqual(before)
    await expectHonestSync(scene)
    // That may happen to anybody: asked again soon, it is good.
    puppet.script = frames => frames.send(answerOf([pack]))
    await eventually(async () => expect((await victim.db.status()).heads).toContain(head))
    expect(errorOf(victim, puppet.self)).toBeUndefined()
  })

  it('breaks off, or speaks no CBOR, or another version', async () => {
    const scene = await openScene()
    const { victim, network } = scene
    const before = traces(victim)
    const { head } = await good(scene)
    const scripts: readonly (readonly [RegExp, Puppet['script']])[] = [
      [
        /broke/,
        async () => {
          throw new Error('broken')
        },
      ],
      [/malformed/, frames => frames.send([Buffer.from('hello')])],
      [/./, frames => frames.send([Buffer.alloc(70_000)])],
      [/malformed/, frames => frames.send([encodeFetchAnswer({ kind: 'pack', bytes: 2 ** 40, commits: 1, left: 0 })])],
    ]
    for (const [reason, script] of scripts) {
      const puppet = await Puppet.start(network, victim.db.cluster!, victim.port)
      await eventually(() => expect(puppet.transport.peers()).toHaveLength(1))
      puppet.heads = [head]
      puppet.script = script
      await puppet.tell(victim.self)
      await eventually(() => expect(errorOf(victim, puppet.self)).toMatch(reason))
    }
    expect(traces(victim)).toEqual(before)
    await expectHonestSync(scene)
  })

  it('has no end', async () => {
    const scene = await openScene()
    const { victim, puppet, main, forger } = scene
    const head = await forger.commit(main)
    forger.take()
    const { tree, parents } = await forger.readCommit(main)
    const old = packOf(await withTrees(forger, [{ id: main, ...(await forger.readObject(main)) }], tree, parents[0]))
    let packs = 0
    puppet.heads = [head]
    puppet.script = frames =>
      frames.send(
        (function* () {
          for (let left = 2 ** 50; ; left--) {
            packs++
            yield encodeFetchAnswer({ kind: 'pack', bytes: old.length, commits: 1, left })
            yield* framesOf(old)
          }
        })(),
      )
    await puppet.tell(victim.self)
    await eventually(() => expect(puppet.requests.length).toBeGreaterThan(1))
    const soFar = puppet.requests.length
    // What the streams hold on their way is all that it got rid of.
    expect(packs).toBeLessThan(soFar * 1_000)
    await expectHonestSync(scene)
  })

  it('counts nothing down', async () => {
    const scene = await openScene()
    const { victim, puppet } = scene
    const { head, pack } = await good(scene)
    puppet.heads = [head]
    puppet.script = frames =>
      frames.send([
        encodeFetchAnswer({ kind: 'pack', bytes: pack.length, commits: 1, left: 5 }),
        ...framesOf(pack),
        encodeFetchAnswer({ kind: 'pack', bytes: pack.length, commits: 1, left: 5 }),
      ])
    await puppet.tell(victim.self)
    await eventually(() => expect(errorOf(victim, puppet.self)).toMatch(/nearer to its end/))
    // Complete upon what was there, it counts all the same.
    expect((await victim.db.status()).main).toBe(head)
    await expectHonestSync(scene)
  })
})

describe('a peer that tells what is not so', () => {
  it('names a blob, or a merge commit, as a head', async () => {
    const scene = await openScene()
    const { victim, puppet, main, forger } = scene
    const { tree } = await forger.readCommit(main)
    puppet.heads = [tree as CommitId]
    await puppet.tell(victim.self)
    await eventually(() => expect(errorOf(victim, puppet.self)).toMatch(/no data commit/))
    expect(puppet.requests).toHaveLength(0)
    await expectHonestSync(scene)
  })

  it('is asked less and less for a head that it never delivers', async () => {
    const scene = await openScene()
    const { victim, puppet } = scene
    puppet.heads = [hashObject('blob', Buffer.from('nowhere')) as CommitId]
    const cpu = process.cpuUsage()
    for (let round = 0; round < 40; round++) {
      await puppet.tell(victim.self)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    expect(puppet.requests.length).toBeLessThanOrEqual(2)
    const { user, system } = process.cpuUsage(cpu)
    expect((user + system) / 1e6).toBeLessThan(1)
    expect((await victim.db.status()).main).toBe(scene.main)
  })
})
