import { encodeUtf8, parseCollectionName, scriptRef, settingsRef } from '@atolldb/core'
import type { JsonValue, RecordRef } from '@atolldb/core'
import { sampleSchemas, sampleScripts } from './sample-rules.ts'
import type { SeededRandom } from './simulator/seeded-random.ts'

const settings = [
  settingsRef('objects', parseCollectionName('farms')),
  settingsRef('objects', parseCollectionName('mixed')),
  settingsRef('lists', parseCollectionName('readings')),
]

/** The records of random histories that hold rules: settings of their collections, and two merge scripts. */
export const ruleRecords: readonly RecordRef[] = [...settings, scriptRef('a'), scriptRef('b')]

const allSources = sampleScripts.map(({ source }) => source)

/** What somebody sets one of `ruleRecords` to; undefined: it is deleted. */
export function drawRule(
  random: SeededRandom,
  record: RecordRef,
  sources: readonly string[] = allSources,
): JsonValue | Uint8Array | undefined {
  if (random.chance(0.05)) return undefined
  return settings.includes(record) ? drawSettings(random) : encodeUtf8(random.pick(sources))
}

function drawSettings(random: SeededRandom): JsonValue {
  const policy = random.pick(['fields', 'latest', 'keep', 'script:a', 'script:b', 'script:none'])
  return random.chance(0.5) ? { policy } : { policy, schema: random.pick(sampleSchemas).schema }
}
