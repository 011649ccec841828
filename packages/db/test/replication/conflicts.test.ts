import { MemoryNetwork } from '@atolldb/testkit'
import type { Conflict, ConflictOutcome } from 'atolldb'
import { describe, expect, it } from 'vitest'
import { fsck, git, laterMillisecond, openCluster, settled, type TestNode } from './nodes.ts'

/*
 * Conflicts as people meet them: two nodes that wrote the same record apart, and what each is told of it afterwards.
 */

/** Two nodes where each has done its own work while the other was away, together again. */
async function apart(
  common: (node: TestNode) => Promise<unknown>,
  [left, right]: readonly [(node: TestNode) => Promise<unknown>, (node: TestNode) => Promise<unknown>],
): Promise<[TestNode, TestNode]> {
  const [first, second] = await openCluster(new MemoryNetwork(), 2)
  await common(first!)
  await settled(first!, second!)
  await Promise.all([first!.db.offline(), second!.db.offline()])
  await left(first!)
  await first!.db.flush()
  await laterMillisecond()
  await right(second!)
  await second!.db.flush()
  await Promise.all([first!.db.online(), second!.db.online()])
  await settled(first!, second!)
  return [first!, second!]
}

const put =
  (value: unknown, id = 'north') =>
  ({ db }: TestNode): Promise<unknown> =>
    db.object<unknown>('farms').put(id, value)
const remove = ({ db }: TestNode): Promise<unknown> => db.object('farms').delete('north')

const contested = (): Promise<[TestNode, TestNode]> =>
  apart(put({ crop: 'rye', area: 1 }), [put({ crop: 'oats', area: 1 }), put({ crop: 'hay', area: 2 })])

async function list(node: TestNode, all = false): Promise<Conflict[]> {
  const found: Conflict[] = []
  for await (const conflict of node.db.conflicts({ all })) found.push(conflict)
  return found
}

const north = { collection: 'farms', id: 'north' }

describe('conflicts', () => {
  it('tells base, versions, authors, times and what was chosen, alike on both nodes', async () => {
    const [first, second] = await contested()
    const [conflict, ...others] = await list(first)
    expect(others).toEqual([])
    expect(conflict).toMatchObject({
      kind: 'objects',
      ...north,
      contested: true,
      base: { crop: 'rye', area: 1 },
      versions: [
        { author: { name: first.db.name, node: first.db.node }, op: 'put', value: { crop: 'oats', area: 1 } },
        { author: { name: second.db.name, node: second.db.node }, op: 'put', value: { crop: 'hay', area: 2 } },
      ],
      chosen: { crop: 'hay', area: 2 },
    })
    const then = await first.db.at(conflict!.versions[0]!.commit)
    expect(await then.object('farms').get('north')).toEqual({ crop: 'oats', area: 1 })
    expect(conflict!.versions[0]!.time).toEqual(then.time)
    expect(await list(second)).toEqual([conflict])
    expect(await first.db.conflicts().get(north)).toEqual(conflict)
    expect((await first.db.status()).conflicts).toBe(1)
    expect(await first.db.conflicts().get({ collection: 'farms', id: 'south' })).toBeUndefined()
  })

  it('keeps what was merged without loss to those who ask for all', async () => {
    const [first] = await apart(put({ crop: 'rye' }), [put({ crop: 'oats' }), put({ crop: 'rye', area: 3 })])
    expect(await list(first)).toEqual([])
    expect(await list(first, true)).toMatchObject([{ contested: false, chosen: { crop: 'oats', area: 3 } }])
    expect((await first.db.status()).conflicts).toBe(0)
  })

  it('says why the rule of the collection did not decide, or is broken', async () => {
    const [first, second] = await apart(
      async ({ db }) => {
        await db.scripts.put('bad', '() => { throw new Error() }')
        await db.configure('farms', { policy: 'script:bad' })
        await db.configure('notes', { schema: { maxProperties: 1 } })
        await db.object('farms').put('north', {})
        await db.object('notes').put('a', {})
      },
      [
        async ({ db }) => {
          await db.object('farms').put('north', { crop: 'oats' })
          await db.object('notes').put('a', { left: 1 })
        },
        async ({ db }) => {
          await db.object('farms').put('north', { area: 2 })
          await db.object('notes').put('a', { right: 1 })
        },
      ],
    )
    const reasons = (await list(first)).map(({ collection, reason }) => [collection, reason])
    expect(reasons).toEqual([
      ['farms', 'script-failed'],
      ['notes', 'schema'],
    ])
    expect((await list(second)).map(({ reason }) => reason)).toEqual(['script-failed', 'schema'])
    expect(await first.db.object('farms').get('north')).toEqual({ crop: 'oats', area: 2 })
  })

  it('shows a delete as a version without a value', async () => {
    const [first] = await apart(put({ crop: 'rye' }), [remove, put({ crop: 'oats' })])
    const [conflict] = await list(first)
    expect(conflict!.versions.map(({ op, value }) => [op, value])).toEqual([
      ['delete', undefined],
      ['put', { crop: 'oats' }],
    ])
    expect(conflict!.chosen).toEqual({ crop: 'oats' })
  })

  it('has no base for a record that both made', async () => {
    const [first] = await apart(put(1, 'other'), [put('a'), put('b')])
    expect(await list(first)).toMatchObject([{ base: undefined, chosen: 'b' }])
  })

  it('filters by collection and kind, and lists in order', async () => {
    const write =
      (value: unknown) =>
      async ({ db }: TestNode) => {
        for (const id of ['b', 'a', ' c/d']) await db.object<unknown>('farms').put(id, value)
        await db.object<unknown>('barns').put('x', value)
      }
    const [first] = await apart(put(0), [write(1), write(2)])
    expect((await list(first)).map(({ collection, id }) => `${collection}/${id}`)).toEqual([
      'barns/x',
      'farms/ c/d',
      'farms/a',
      'farms/b',
    ])
    const names: string[] = []
    for await (const { id } of first.db.conflicts({ collection: 'barns', kind: 'objects' })) names.push(id)
    expect(names).toEqual(['x'])
    for await (const { id } of first.db.conflicts({ kind: 'lists' })) expect(id).toBe('none')
  })

  it('is gone after a write that saw it, on the other node too', async () => {
    const [first, second] = await contested()
    await first.db.object('farms').put('north', { crop: 'rape' })
    expect(await list(first)).toEqual([])
    await first.db.flush()
    await settled(first, second)
    expect(await list(second)).toEqual([])
    expect((await second.db.status()).conflicts).toBe(0)
  })
})

describe('resolve', () => {
  const outcomes: [string, ConflictOutcome, unknown][] = [
    ['ours', { take: 'ours' }, { crop: 'oats', area: 1 }],
    ['theirs', { take: 'theirs' }, { crop: 'hay', area: 2 }],
    ['what is chosen', { take: 'chosen' }, { crop: 'hay', area: 2 }],
    ['a value', { value: { crop: 'rape' } }, { crop: 'rape' }],
    ['bytes', { value: new Uint8Array([1, 2]) }, new Uint8Array([1, 2])],
    ['a delete', { delete: true }, undefined],
  ]
  it.each(outcomes)('takes %s, for every node', async (_name, outcome, expected) => {
    const [first, second] = await contested()
    const [conflict] = await list(first)
    const { version } = await first.db.conflicts().resolve(conflict!, outcome)
    expect(await first.db.object<unknown>('farms').get('north')).toEqual(expected)
    expect(version).toBe((await first.db.object('farms').getRecord('north'))?.version)
    expect(await list(first, true)).toEqual([])
    await first.db.flush()
    await settled(first, second)
    expect(await second.db.object<unknown>('farms').get('north')).toEqual(expected)
    expect(await list(second, true)).toEqual([])
    fsck(second)
  })

  it('takes the version of a commit, by a beginning of its id, on a node that wrote none', async () => {
    const network = new MemoryNetwork()
    const nodes = await openCluster(network, 3)
    const [first, second, third] = nodes as [TestNode, TestNode, TestNode]
    await Promise.all(nodes.map(({ db }) => db.offline()))
    await put('one')(first)
    await put('two')(second)
    await Promise.all([first.db.flush(), second.db.flush()])
    await Promise.all(nodes.map(({ db }) => db.online()))
    await settled(...nodes)
    const [conflict] = await list(third)
    const conflicts = third.db.conflicts()
    await expect(conflicts.resolve(conflict!, { take: 'ours' })).rejects.toMatchObject({ code: 'INVALID' })
    await expect(conflicts.resolve(conflict!, { take: 'theirs' })).rejects.toMatchObject({ code: 'INVALID' })
    await expect(conflicts.resolve(conflict!, { commit: 'f'.repeat(40) })).rejects.toMatchObject({ code: 'INVALID' })
    await expect(conflicts.resolve(conflict!, { commit: '' })).rejects.toMatchObject({ code: 'INVALID' })
    const one = conflict!.versions.find(({ value }) => value === 'one')!
    await conflicts.resolve(north, { commit: one.commit.slice(0, 12) })
    expect(await third.db.object<unknown>('farms').get('north')).toBe('one')
  })

  it('settles a conflict whose value stays with a commit of its own', async () => {
    const [first] = await contested()
    const { commit: before } = await first.db.flush()
    await first.db.conflicts().resolve(north, { take: 'chosen' })
    const { commit } = await first.db.flush()
    expect(commit).not.toBe(before)
    expect(git(first, 'diff', '--name-status', before, commit)).toBe(
      'D\tobjects/.atoll.conflicts.objects.farms/north.json\n',
    )
    fsck(first)
  })

  it('fails with CONFLICT where the conflict that was looked at is another one, or gone', async () => {
    const [first, second] = await contested()
    const [conflict] = await list(first)
    await Promise.all([first.db.offline(), second.db.offline()])
    await second.db.object('farms').put('north', { crop: 'flax' })
    await first.db.object('farms').put('north', { crop: 'rape' })
    await expect(first.db.conflicts().resolve(conflict!, { take: 'ours' })).rejects.toMatchObject({
      code: 'CONFLICT',
      data: { expected: conflict!.version, subject: 'conflict' },
    })
    await Promise.all([first.db.online(), second.db.online()])
    await settled(first, second)
    const [other] = await list(first)
    expect(other!.version).not.toBe(conflict!.version)
    await expect(first.db.conflicts().resolve(conflict!, { take: 'ours' })).rejects.toMatchObject({
      code: 'CONFLICT',
      data: { expected: conflict!.version, actual: other!.version },
    })
    // The versions of a conflict that was settled wrongly are still there to be read.
    expect(other!.versions.map(({ value }) => value)).toContainEqual({ crop: 'flax' })
    await first.db.conflicts().resolve(other!, { take: 'ours' })
    expect(await first.db.object('farms').get('north')).toEqual({ crop: 'rape' })
  })

  it('fails with CONFLICT where a write settles the conflict while its versions are being read', async () => {
    const [first] = await contested()
    const resolving = first.db.conflicts().resolve(north, { take: 'ours' })
    const [resolved] = await Promise.allSettled([resolving, first.db.object('farms').put('north', { crop: 'flax' })])
    expect(resolved).toMatchObject({ status: 'rejected', reason: { code: 'CONFLICT', data: { what: 'farms/north' } } })
    expect(await first.db.object('farms').get('north')).toEqual({ crop: 'flax' })
  })

  it('refuses what it cannot do, and changes nothing', async () => {
    const [first] = await contested()
    const conflicts = first.db.conflicts()
    await expect(conflicts.resolve({ collection: 'farms', id: 'south' }, { delete: true })).rejects.toMatchObject({
      code: 'MISSING',
      data: { what: 'conflict' },
    })
    for (const outcome of [{}, { take: 'mine' }, { commit: 7 }, { delete: false }, { take: 'ours', value: 1 }, null])
      await expect(conflicts.resolve(north, outcome as never)).rejects.toMatchObject({ code: 'INVALID' })
    await expect(conflicts.resolve(north, { value: undefined })).rejects.toMatchObject({ code: 'INVALID' })
    await expect(conflicts.resolve(north, { value: 'x'.repeat(2 ** 21) })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await expect(conflicts.get({ ...north, kind: 'tuples' as never })).rejects.toMatchObject({ code: 'INVALID' })
    expect(await list(first)).toHaveLength(1)
  })

  it('deletes or keeps a record of a List, which never gets another value', async () => {
    const network = new MemoryNetwork()
    const [first, second] = (await openCluster(network, 2)) as [TestNode, TestNode]
    const readings = first.db.list<unknown>('readings')
    const id = await readings.insert('t')
    await settled(first, second)
    await Promise.all([first.db.offline(), second.db.offline()])
    await readings.delete(id)
    await second.db.list('readings').delete(id)
    await Promise.all([first.db.flush(), second.db.flush()])
    await Promise.all([first.db.online(), second.db.online()])
    await settled(first, second)
    const [conflict] = await list(first, true)
    expect(conflict).toMatchObject({ kind: 'lists', id, contested: false, base: 't', chosen: undefined })
    // There is none to keep: only what it was may come back, and never as bytes.
    const bytes = { value: new Uint8Array([1]) }
    await expect(first.db.conflicts().resolve(conflict!, bytes)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await first.db.conflicts().resolve(conflict!, { take: 'chosen' })
    expect(await list(first, true)).toEqual([])
    expect(await readings.get(id)).toBeUndefined()
    await first.db.flush()
    await settled(first, second)
    expect(await list(second, true)).toEqual([])
  })
})

describe('conflicts of settings and scripts', () => {
  const settings = { collection: '.atoll.collections', id: 'objects/farms' }
  const script = { collection: '.atoll.scripts', id: 'sum' }
  const configured = (): Promise<[TestNode, TestNode]> =>
    apart(put(0), [
      ({ db }) => db.configure('farms', { policy: 'keep' }),
      ({ db }) => db.configure('farms', { policy: 'latest' }),
    ])
  const scripted = (): Promise<[TestNode, TestNode]> =>
    apart(put(0), [({ db }) => db.scripts.put('sum', '() => 1'), ({ db }) => db.scripts.put('sum', '() => 2')])

  it('are listed, and looked at as they are listed', async () => {
    const [first, second] = await configured()
    const [conflict] = await list(first)
    expect(conflict).toMatchObject({
      kind: 'objects',
      ...settings,
      base: undefined,
      versions: [{ value: { policy: 'keep' } }, { value: { policy: 'latest' } }],
      chosen: { policy: 'latest' },
    })
    expect(await second.db.conflicts().get(conflict!)).toEqual(conflict)
    const names: string[] = []
    for await (const { id } of first.db.conflicts({ collection: settings.collection })) names.push(id)
    expect(names).toEqual([settings.id])
  })

  const outcomes: [string, ConflictOutcome, object][] = [
    ['ours', { take: 'ours' }, { policy: 'keep' }],
    ['theirs', { take: 'theirs' }, { policy: 'latest' }],
    ['what is chosen', { take: 'chosen' }, { policy: 'latest' }],
    ['a value', { value: { schema: { type: 'object' } } }, { schema: { type: 'object' } }],
    ['no settings', { value: {} }, {}],
    ['a delete', { delete: true }, {}],
  ]
  it.each(outcomes)('are settled by %s, for every node', async (_name, outcome, expected) => {
    const [first, second] = await configured()
    const [conflict] = await list(first)
    await first.db.conflicts().resolve(conflict!, outcome)
    await first.db.flush()
    await settled(first, second)
    for (const { db } of [first, second]) expect(await db.settings('farms')).toEqual(expected)
    for (const node of [first, second]) expect(await list(node, true)).toEqual([])
    fsck(second)
  })

  it('are settled by a commit, and by configure', async () => {
    const [first, second] = await configured()
    const [conflict] = await list(first)
    await first.db.conflicts().resolve(settings, { commit: conflict!.versions[0]!.commit })
    expect(await first.db.settings('farms')).toEqual({ policy: 'keep' })
    await second.db.configure('farms', { policy: 'latest' })
    expect(await list(second, true)).toEqual([])
  })

  it('take no value that configure would not take', async () => {
    const [first] = await configured()
    const refused: [unknown, string][] = [
      [{ policy: 'newest' }, 'INVALID'],
      [{ crop: 'rye' }, 'INVALID'],
      [{ schema: { type: 'nothing' } }, 'INVALID'],
      [{ schema: { title: 'x'.repeat(2 ** 17) } }, 'TOO_LARGE'],
      [{ policy: 'script:none' }, 'MISSING'],
      [new Uint8Array(), 'INVALID'],
      [7, 'INVALID'],
    ]
    for (const [value, code] of refused)
      await expect(first.db.conflicts().resolve(settings, { value })).rejects.toMatchObject({ code })
    expect(await list(first)).toHaveLength(1)
  })

  it('of scripts end with one of them, or with another that is a function', async () => {
    const [first, second] = await scripted()
    const conflicts = first.db.conflicts()
    expect(await list(first)).toMatchObject([{ ...script, chosen: new TextEncoder().encode('() => 2') }])
    for (const value of ['42', { n: 1 }, new Uint8Array([0xff])])
      await expect(conflicts.resolve(script, { value })).rejects.toMatchObject({ code: 'INVALID' })
    await conflicts.resolve(script, { value: Buffer.from('() => 3') })
    await first.db.flush()
    await settled(first, second)
    expect(await second.db.scripts.get('sum')).toBe('() => 3')
    expect(await list(second, true)).toEqual([])
  })
})
