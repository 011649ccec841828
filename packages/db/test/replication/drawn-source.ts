import { join } from 'node:path'
import { CommitGraph, type CommitId, mainOf, type NodeId } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import {
  buildHistory,
  drawSteps,
  type History,
  keyedIdentity,
  longHistoryRecord,
  type LongHistoryPlan,
  type OracleRules,
  sampleOracleRules,
  type SeededRandom,
  stateTree,
} from '@atolldb/testkit'
import { onTestFinished } from 'vitest'
import { FetchServer, type FetchSource } from '../../src/replication/fetch-server.ts'
import type { FrameStream } from '../../src/replication/frames.ts'
import { temporaryDirectory } from '../temporary.ts'

/** The repository of a drawn history, and the oracle that knows what each part of it comes to. */
export class DrawnSource {
  readonly history: History
  /** How often the history asked for the outcome of a merge script. */
  readonly scriptRuns: number
  readonly #repository: Repository
  readonly #server = new FetchServer()
  readonly #source: FetchSource

  private constructor(repository: Repository, history: History, scriptRuns: number) {
    this.#repository = repository
    this.history = history
    this.scriptRuns = scriptRuns
    this.#source = {
      repository,
      graph: new CommitGraph(repository),
      cluster: () => history.root,
      signal: new AbortController().signal,
    }
  }

  static async draw(random: SeededRandom, plan: LongHistoryPlan): Promise<DrawnSource> {
    const repository = await Repository.open(join(temporaryDirectory(), 'repo.git'), { create: true })
    onTestFinished(() => repository.close())
    const stage = repository.stage()
    let scriptRuns = 0
    const rules: OracleRules = {
      ...sampleOracleRules,
      runScript(run) {
        scriptRuns++
        return sampleOracleRules.runScript(run)
      },
    }
    const options = { recordAt: longHistoryRecord, rules, identity: keyedIdentity }
    const history = await buildHistory(stage, drawSteps(random, plan), options)
    await stage.commit()
    return new DrawnSource(repository, history, scriptRuns)
  }

  get root(): CommitId {
    return this.history.root
  }

  /** Answers a fetch as a node would that has all of it. */
  answer(peer: NodeId, frames: FrameStream): Promise<void> {
    return this.#server.answer(this.#source, peer, frames)
  }

  /** `main` of who has these commits, with all their ancestors, and no other. */
  async mainOf(arrived: Iterable<CommitId>): Promise<CommitId> {
    const heads = this.history.oracle.heads(arrived)
    const store = this.#repository.stage()
    const tree = await stateTree(store, this.history.oracle.state(heads).values())
    return (await mainOf({ store, graph: this.#source.graph }, { heads, tree })).id
  }

  /** A directory that stock git can fetch the commit from. */
  async offering(commit: CommitId): Promise<string> {
    const ref = `refs/heads/${commit}`
    if ((await this.#repository.readRef(ref)) === undefined) await this.#repository.updateRef(ref, commit, undefined)
    return this.#repository.directory
  }
}
