import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  ChangeLists,
  type Clock,
  CLOCK_ZERO,
  CommitGraph,
  type CommitId,
  compareClock,
  type Environment,
  HybridClock,
  invalid,
  isAtollError,
  parseCommitId,
  parseNodeName,
  type Transport,
} from '@atolldb/core'
import { Repository, verifyCommitSignature } from '@atolldb/git'
import { createTransport } from '@atolldb/glob'
import type { CacheLimit } from './api/cache.ts'
import type { Database, Log, OpenOptions } from './api/database.ts'
import { createConfiguration } from './collections/configuration.ts'
import { NodeDatabase } from './database.ts'
import { dataDirectory, prepareDataDirectory } from './directory/data-directory.ts'
import { loadIdentity, type NodeIdentity } from './directory/identity.ts'
import { lockDirectory } from './directory/lock.ts'
import { SettingsFile } from './directory/settings.ts'
import { Branch, type BranchState, type MoveCause } from './engine/branch.ts'
import { ChangeLog } from './engine/change-log.ts'
import { Changes } from './engine/changes.ts'
import { resolveCluster } from './engine/cluster.ts'
import { Compactor } from './engine/compactor.ts'
import { restoreLostMain } from './engine/lost-main.ts'
import { History } from './engine/history.ts'
import type { Incoming } from './engine/incoming.ts'
import { sortByLineage } from './engine/lineage.ts'
import { listIdSource } from './engine/list-ids.ts'
import { asDamage } from './engine/named-objects.ts'
import { RecordStore } from './engine/record-store.ts'
import { Sealer } from './engine/sealer.ts'
import { onTrustedDisk } from './engine/trusted-disk.ts'
import { recoverView } from './engine/view-recovery.ts'
import { trustedNowMs } from './engine/wall-clock.ts'
import { Feed } from './history/feed.ts'
import { HistoryReader } from './history/history-reader.ts'
import { drawIncarnation, MoveLog } from './history/moves.ts'
import { PastMerges } from './history/past-merges.ts'
import { UndoneLog } from './history/undone.ts'
import type { JournalEntry } from './journal/frame.ts'
import { Journal, type JournalContent } from './journal/journal.ts'
import { createRuleRunner } from './rules/rule-runner.ts'
import { Schemas } from './rules/schemas.ts'
import { ScriptSandbox } from './rules/script-sandbox.ts'
import type { StatusParts } from './status.ts'
import { View } from './view/view.ts'

const DEFAULT_SEAL_DELAY_MS = 1_000
const DEFAULT_CACHE_BYTES = 16 * 1024 * 1024
const DEFAULT_LOCK_WAIT_MS = 1_000
const MAX_REMEMBERED_ADDRESSES = 256
/** A thread needs a file that Node can load: from source, as tests run, there is none. */
const isCompiled = import.meta.url.endsWith('.js')

const systemEnvironment: Environment = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  randomBytes,
}

/**
 * Opens a node on a data directory, creating it where it is missing. It is ready when it resolves, whether or not any peer
 * can be reached.
 *
 * @throws INVALID (an option), LOCKED (another process has it), NOT_ACCESSIBLE, NEWER_FORMAT, CORRUPT (what is damaged is
 * named, and nothing was changed), OTHER_CLUSTER, ADDRESS_IN_USE, STORAGE_FULL, STORAGE_FAILED
 *
 * @example
 * const db = await open('./farm')
 * await db.object('farms').put('north', { crop: 'rye' })
 * await db.close()
 */
export async function open(directory: string, options: OpenOptions = {}): Promise<Database> {
  const opening = new Opening()
  try {
    return await openNode(opening, directory, options)
  } catch (error) {
    // Why it could not be opened matters more than what could not be closed.
    await opening.undo().catch(() => undefined)
    throw asDamage(error, resolve(directory))
  }
}

/** What was opened so far: closed again in the opposite order. */
class Opening {
  readonly #undos: (() => Promise<void>)[] = []

  onUndo(undo: () => Promise<void>): void {
    this.#undos.push(undo)
  }

  /** Closes all of it, and then throws the first error there was. */
  async undo(): Promise<void> {
    const errors: unknown[] = []
    for (const undo of this.#undos.splice(0).toReversed()) await undo().catch((error: unknown) => errors.push(error))
    if (errors.length > 0) throw errors[0]
  }
}

async function openNode(opening: Opening, path: string, options: OpenOptions): Promise<Database> {
  const environment = options.environment ?? systemEnvironment
  const log: Log = options.log ?? (() => undefined)
  checkOptions(options)
  const isMemory = options.storage === 'memory'
  const directory = dataDirectory(isMemory ? await mkdtemp(join(tmpdir(), 'atoll-')) : resolve(path))
  if (isMemory) opening.onUndo(() => rm(directory.path, { recursive: true, force: true }))
  await prepareDataDirectory(directory)
  if (!isMemory) opening.onUndo(await lockDirectory(directory, options.lockWaitMs ?? DEFAULT_LOCK_WAIT_MS))
  const view = await View.open(isMemory ? undefined : directory.view)
  opening.onUndo(() => view.close())

  const settings = await SettingsFile.load(directory.state)
  const { incarnation, hasBegun, node: known } = settings.current
  const identity = await loadIdentity(directory.identity, { node: known, isNew: incarnation === 0 })
  const repository = await openRepository(directory.repository, hasBegun)
  opening.onUndo(() => repository.close())
  const rollBack = new Late<void>(() => undefined)
  const recheckRoom = new Late<void>(() => undefined)
  const { journal, content } = await Journal.open(directory.journal, {
    durability: isMemory ? 'os' : (options.durability ?? 'sync'),
    onAbandon: () => rollBack.call(),
    onRefusing: () => recheckRoom.call(),
    hasCommit: id => repository.has(id),
  })
  opening.onUndo(() => journal.close())
  settings.onFailed(failure => journal.refuse(failure))
  const unsealed = content.entries.filter(entry => entry.sequence > content.sealedSequence)

  const graph = new CommitGraph(repository)
  const changeLog = isMemory ? undefined : new ChangeLog(directory.changes)
  opening.onUndo(async () => changeLog?.close())
  const changeLists = new ChangeLists(graph, repository, changeLog === undefined ? {} : { kept: changeLog })
  const branch = await Branch.load(repository, graph)
  const remembered = [view.mark?.main, view.mark?.next?.main, ...content.entries.map(entry => entry.main)]
  await restoreLostMain({ branch, graph, repository, log }, remembered, hasBegun)
  const name = parseNodeName(options.name ?? settings.current.name ?? hostname().slice(0, 64))
  const listen = options.listen ?? settings.current.listen
  const bootstrap = options.bootstrap ?? settings.current.bootstrap
  const { node } = identity.signer
  await settings.change({ name, incarnation: incarnation + 1, listen, bootstrap, node })
  const clock = new HybridClock(environment, await latestClock(graph, branch, unsealed))
  const wishes = { asked: options.cluster as CommitId | undefined, joins: bootstrap.length > 0 }
  await resolveCluster({ settings, branch, repository, graph, identity, clock, name }, wishes)
  if (branch.state !== undefined && !hasBegun) await settings.change({ hasBegun: true })

  const moves = await MoveLog.open(directory.state, drawIncarnation(environment))
  opening.onUndo(() => moves.close())
  if (branch.state !== undefined) moves.add(branch.state.main, content.sealedSequence)
  const undone = await UndoneLog.open(directory.state, content.sealedSequence)

  const schemas = new Schemas()
  const sandbox = new ScriptSandbox({ inThread: isCompiled })
  opening.onUndo(() => sandbox.close())
  const rules = createRuleRunner(schemas, sandbox)
  const changes = new Changes()
  const wakeSealer = new Late<void>(() => undefined)
  const sealObstacle = new Late<Error | undefined>(() => undefined)
  const repair = new Late<Promise<void>, [damage: unknown]>(async () => undefined)
  const onListenerFailed = (error: unknown): void => log('error', 'a subscriber threw', { error })
  const store = new RecordStore(
    {
      journal,
      view,
      schemas,
      cache: options.cache ?? { bytes: DEFAULT_CACHE_BYTES },
      clock,
      currentMain: () => branch.state?.main,
      onPending: () => {
        wakeSealer.call()
        changes.tell()
      },
      repairView: error => {
        log('warn', 'the view cannot be used as it is; it is recovered', { error })
        return repair.call(error)
      },
      sealObstacle: () => sealObstacle.call(),
      onListenerFailed,
    },
    { main: branch.state?.main, sealed: content.sealedSequence, sequence: content.sealedSequence },
  )
  opening.onUndo(async () => {
    await store.stop()
    await store.close()
  })
  rollBack.set(() => store.rollBack())
  recheckRoom.set(() => store.recheckRoom())
  const tellMove = new Late<void, [main: CommitId, cause: MoveCause]>(() => undefined)
  const compactor = new Compactor(repository, journal, log)
  opening.onUndo(() => compactor.stop())
  const monotonicMs = (): number => environment.monotonicMs()
  const history = new History({
    repository,
    branch,
    graph,
    changes: changeLists,
    changeLog,
    journal,
    store,
    clock,
    rules,
    author: () => ({ name, signer: identity.signer }),
    monotonicMs,
    log,
    onMoved: ({ main }, cause) => {
      moves.add(main, store.sealedSequence)
      tellMove.call(main, cause)
      changes.tell()
      compactor.look()
    },
    onSealed: (entries, sealed) => {
      const noted = undone.add(entries, sealed)
      if (sealed !== undefined || branch.state === undefined) return noted
      moves.add(branch.state.main, store.sealedSequence)
      changes.tell()
      return noted
    },
  })
  sealObstacle.set(() => history.sealObstacle)
  const recover = (state: BranchState | undefined, found: JournalContent): Promise<void> =>
    recoverView({ view, repository, graph }, { main: state?.main, tree: state?.tree, journal: found })
  repair.set(damage =>
    history.whileStill(async state => {
      const found = await journal.read()
      await store.recoverView(async () => {
        // LevelDB is as good as its files unless it is them that are damaged.
        await (isAtollError(damage, 'CORRUPT') ? view.clear() : view.reopen())
        await recover(state, found)
      })
    }),
  )
  await recover(branch.state, content)
  await history.takeUp(await sortByLineage(graph, node, branch.state?.main, settings.current.cluster, unsealed))

  const maxDelayMs = options.seal?.maxDelayMs ?? DEFAULT_SEAL_DELAY_MS
  const sealer = new Sealer({ history, store, maxDelayMs, monotonicMs, log })
  wakeSealer.set(() => sealer.wake())
  opening.onUndo(() => sealer.stop())

  const newestClock = (): Clock => clock.peek()
  const nowMs = (): number | undefined => trustedNowMs(environment.nowMs(), newestClock())
  const transport = await transportOf(options, settings, identity, log)
  // Loaded with what nodes say to each other only where there is somebody to talk to.
  const replicator =
    transport &&
    new (await import('./replication/replicator.ts')).Replicator({
      transport,
      repository,
      graph,
      environment,
      verifySignature: verifyCommitSignature,
      rules,
      log,
      name: () => name,
      incarnation: settings.current.incarnation,
      cluster: () => settings.current.cluster,
      state: () => branch.state,
      noteChanges: (commit, list) => changeLog?.note(commit, list),
      pin: cluster => settings.change({ cluster }),
      meet: addresses => meet(transport, settings, addresses),
      adopt: async (heads, incoming) => {
        await adopt({ history, graph, settings }, heads, incoming)
        sealer.wake()
      },
      keep: work => onTrustedDisk(journal, work),
      onChange: () => changes.tell(),
      trustedNowMs: nowMs,
    })
  if (replicator !== undefined) {
    tellMove.set((main, cause) => replicator.moved(main, cause))
    opening.onUndo(() => replicator.stop())
    transport?.remember(settings.current.addresses)
    if (!settings.current.offline) await replicator.start()
  }
  sealer.wake()
  compactor.look()

  const onChange = (listener: () => void): (() => void) => changes.listen(listener)
  const feed = new Feed({
    moves,
    undone,
    store,
    repository,
    graph,
    changes: changeLists,
    node,
    name: () => name,
    onChange,
  })
  const past = new HistoryReader({
    repository,
    graph,
    main: () => branch.state?.main,
    pastMerges: new PastMerges({
      repository,
      graph,
      changes: changeLists,
      rules,
      keep: work => onTrustedDisk(journal, work),
      onWritten: () => compactor.look(),
    }),
    nowMs: () => environment.nowMs(),
  })
  const statusParts: StatusParts = {
    isOffline: () => settings.current.offline,
    hasNetwork: replicator !== undefined,
    main: () => branch.state?.main,
    store,
    replicator,
    storageFailure: () => journal.failure,
    damagedPacks: () => repository.damagedPacks,
    sealObstacle: () => history.sealObstacle,
    clockIsTrusted: () => nowMs() !== undefined,
  }
  return new NodeDatabase({
    node: identity.signer.node,
    name: () => name,
    cluster: () => settings.current.cluster,
    environment,
    settings,
    branch,
    repository,
    graph,
    changeLists,
    store,
    history,
    sealer,
    compactor,
    replicator,
    configuration: createConfiguration({ store, schemas, checkScript: source => sandbox.check(source) }),
    nextListId: listIdSource(environment),
    statusParts,
    onChange,
    feed,
    past,
    onListenerFailed,
    release: () => opening.undo(),
  })
}

/** A node that had data does not begin with an empty repository where its own is gone. @throws CORRUPT */
async function openRepository(directory: string, hasBegun: boolean): Promise<Repository> {
  try {
    return await Repository.open(directory, { create: !hasBegun, compactInThread: isCompiled })
  } catch (error) {
    throw asDamage(error, directory)
  }
}

/** A function that is known later: parts that call each other are made one after the other. */
class Late<Result, Args extends unknown[] = []> {
  #function: (...args: Args) => Result

  constructor(untilThen: (...args: Args) => Result) {
    this.#function = untilThen
  }

  set(value: (...args: Args) => Result): void {
    this.#function = value
  }

  call(...args: Args): Result {
    return this.#function(...args)
  }
}

/** @throws INVALID */
function checkOptions(options: OpenOptions): void {
  if (options.cluster !== undefined) parseCommitId(options.cluster)
  if (options.name !== undefined) parseNodeName(options.name)
  checkOneOf('durability', options.durability, ['sync', 'os'])
  checkOneOf('storage', options.storage, ['disk', 'memory'])
  checkMs('seal.maxDelayMs', options.seal?.maxDelayMs)
  checkMs('lockWaitMs', options.lockWaitMs)
  if (options.cache !== undefined) checkCache(options.cache)
}

function checkOneOf(what: string, value: string | undefined, known: readonly string[]): void {
  if (value !== undefined && !known.includes(value)) throw invalid(what, `must be one of ${known.join(', ')}`)
}

/** What a timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** @throws INVALID */
function checkCache(limit: CacheLimit): void {
  const size = 'bytes' in limit ? limit.bytes : limit.entries
  if (!Number.isSafeInteger(size) || size < 0) throw invalid('cache', 'must be a whole number of entries or bytes')
}

function checkMs(what: string, value: number | undefined): void {
  if (value !== undefined && !(value >= 0 && value <= MAX_TIMER_MS))
    throw invalid(what, `must be between 0 and ${MAX_TIMER_MS} milliseconds`)
}

/** No clock of this node is behind what it sealed, adopted or journaled before. */
async function latestClock(graph: CommitGraph, branch: Branch, unsealed: readonly JournalEntry[]): Promise<Clock> {
  let latest = branch.state === undefined ? CLOCK_ZERO : (await graph.node(branch.state.main)).clock
  for (const { clock } of unsealed) if (compareClock(clock, latest) > 0) latest = clock
  return latest
}

/** Adopts heads; the first that a node without a `main` hears of brings the root of its cluster with them. */
async function adopt(
  { history, graph, settings }: { history: History; graph: CommitGraph; settings: SettingsFile },
  heads: readonly CommitId[],
  incoming: Incoming | undefined,
): Promise<void> {
  const { cluster } = settings.current
  if (!history.hasBegun && cluster !== undefined) {
    await incoming?.durable
    await graph.node(cluster)
    await history.begin(cluster)
    await settings.change({ hasBegun: true })
  }
  await history.adopt(heads, incoming)
}

/** Addresses that members told are kept and dialled for ever; those known longest stay, so that nobody can push them out. */
async function meet(transport: Transport, settings: SettingsFile, told: readonly string[]): Promise<void> {
  const known = settings.current.addresses
  const ours = new Set(transport.addresses())
  const added = told.filter(address => !known.includes(address) && !ours.has(address))
  if (added.length === 0) return
  await settings.change({ addresses: [...known, ...added].slice(0, MAX_REMEMBERED_ADDRESSES) })
  transport.remember(added)
}

async function transportOf(
  options: OpenOptions,
  settings: SettingsFile,
  identity: NodeIdentity,
  log: Log,
): Promise<Transport | undefined> {
  if (options.transport !== undefined) return options.transport
  const last = options.resume === true ? settings.current : { listen: [], bootstrap: [], addresses: [] }
  const { listen = last.listen, bootstrap = last.bootstrap } = options
  if (listen.length === 0 && bootstrap.length === 0 && last.addresses.length === 0) return undefined
  return createTransport({ privateKeySeed: identity.seed, listen, bootstrap, log })
}
