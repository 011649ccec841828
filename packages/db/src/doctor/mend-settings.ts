import { hostname } from 'node:os'
import { type CommitGraph, type CommitId, isAtollError } from '@atolldb/core'
import { type DataDirectory, formatFile, writeFormat, checkFormat } from '../directory/data-directory.ts'
import { createIdentity, loadIdentity } from '../directory/identity.ts'
import { SettingsFile, settingsFile } from '../directory/settings.ts'
import { setAside } from './set-aside.ts'

/** A damaged `format` is written anew; there was never another one. Returns whether it was. @throws NEWER_FORMAT */
export async function mendFormat(directory: DataDirectory): Promise<boolean> {
  if (!(await isCorrupt(() => checkFormat(directory)))) return false
  await setAside(directory, formatFile(directory))
  await writeFormat(directory)
  return true
}

/**
 * Settings that cannot be read are made anew from the history: the cluster is its root. Name, addresses and the offline flag are
 * the user's to give again.
 */
export async function mendSettings(
  directory: DataDirectory,
  graph: CommitGraph,
  main: CommitId | undefined,
  nowMs: number,
): Promise<boolean> {
  if (!(await isCorrupt(() => SettingsFile.load(directory.state)))) return false
  await setAside(directory, settingsFile(directory.state))
  const settings = await SettingsFile.load(directory.state)
  // More than any count of starts: numbers of messages must grow.
  const incarnation = Math.floor(nowMs / 1000)
  const cluster = main === undefined ? undefined : await rootOf(graph, main)
  await settings.change({ name: hostname().slice(0, 64), cluster, incarnation, hasBegun: main !== undefined })
  return true
}

/** Makes a new node of the directory where its key is damaged. Returns the new node's id. */
export async function replaceIdentity(directory: DataDirectory): Promise<string | undefined> {
  const settings = await SettingsFile.load(directory.state)
  const { node } = settings.current
  if (!(await isCorrupt(() => loadIdentity(directory.identity, { node })))) return undefined
  await setAside(directory, directory.identity)
  const { signer } = await createIdentity(directory.identity)
  await settings.change({ node: signer.node })
  return signer.node
}

async function rootOf(graph: CommitGraph, main: CommitId): Promise<CommitId | undefined> {
  try {
    let node = await graph.node(main)
    for (let parent = node.parents[0]; parent !== undefined; parent = node.parents[0]) node = await graph.node(parent)
    return node.id
  } catch (error) {
    // Its history has holes: then the node learns its cluster from its peers, or is told.
    if (isAtollError(error, 'MISSING') || isAtollError(error, 'CORRUPT')) return undefined
    throw error
  }
}

async function isCorrupt(read: () => Promise<unknown>): Promise<boolean> {
  try {
    await read()
    return false
  } catch (error) {
    if (isAtollError(error, 'CORRUPT')) return true
    throw error
  }
}
