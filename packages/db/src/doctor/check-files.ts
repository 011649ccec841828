import { join } from 'node:path'
import { isAtollError } from '@atolldb/core'
import { checkFormat, type DataDirectory, readTextIfThere } from '../directory/data-directory.ts'
import { loadIdentity } from '../directory/identity.ts'
import { SettingsFile } from '../directory/settings.ts'
import type { CheckName, Finding } from './finding.ts'

/** The small files: `format`, `state/node.json`, `identity.key`, `config.json`. @throws NEWER_FORMAT, NOT_ACCESSIBLE */
export async function checkFiles(directory: DataDirectory): Promise<Finding[]> {
  const findings: Finding[] = []
  const check = async (name: CheckName, read: () => Promise<unknown>): Promise<void> => {
    const finding = await corruptionOf(name, read)
    if (finding !== undefined) findings.push(finding)
  }
  await check('format', () => checkFormat(directory))
  let node: string | undefined
  let isNew = false
  await check('state', async () => {
    const { current } = await SettingsFile.load(directory.state)
    node = current.node
    isNew = current.incarnation === 0
  })
  if (!isNew || (await readTextIfThere(directory.identity)) !== undefined)
    await check('identity', () => loadIdentity(directory.identity, { node }))
  const config = join(directory.path, 'config.json')
  const text = await readTextIfThere(config)
  if (text !== undefined && !isJson(text))
    findings.push({ check: 'config', file: config, reason: 'not JSON', repair: `mend ${config} by hand, or remove it` })
  return findings
}

/** The damage that a read meets; other errors pass. */
export async function corruptionOf(check: CheckName, read: () => Promise<unknown>): Promise<Finding | undefined> {
  try {
    await read()
    return undefined
  } catch (error) {
    if (!isAtollError(error, 'CORRUPT')) throw error
    return { check, ...error.data }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
