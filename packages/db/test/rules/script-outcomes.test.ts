import { readFileSync } from 'node:fs'
import type { ScriptOutcome } from '@atolldb/core'
import { sampleOracleRules, sampleScripts } from '@atolldb/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadScriptEngine } from '../../src/rules/script-engine.ts'

/**
 * What scripts come to, and the steps that they take, stands in `script-outcomes.json` for ever: it is part of rules version 1, on
 * every version of Node and every machine. Null is an absent record.
 */
interface KnownOutcome {
  /** What the script does, where it means no good. */
  readonly name?: string
  readonly source: string
  readonly base: string | null
  readonly versions: readonly (string | null)[]
  readonly outcome: ScriptOutcome
  readonly steps: number
}

const known = JSON.parse(readFileSync(new URL('script-outcomes.json', import.meta.url), 'utf8')) as KnownOutcome[]
const engine = await loadScriptEngine()

async function measure({ source, base, versions }: KnownOutcome): Promise<Pick<KnownOutcome, 'outcome' | 'steps'>> {
  const run = { source, base: base ?? undefined, versions: versions.map(version => version ?? undefined) }
  const { outcome, steps } = await engine.measure(run)
  // An absent record is a result too, which JSON cannot tell.
  return { outcome: 'result' in outcome && outcome.result === undefined ? ({} as ScriptOutcome) : outcome, steps }
}

describe('a script that means no good comes to the same end at the same step everywhere: one that', () => {
  test.each(known.filter(({ name }) => name !== undefined))('$name', async attack => {
    const { outcome, steps } = attack
    expect(await measure(attack)).toEqual({ outcome, steps })
  })
})

test('scripts that mean well give what they always gave, in as many steps', async () => {
  for (const script of known.filter(({ name }) => name === undefined)) {
    const { source, outcome, steps } = script
    expect(await measure(script), source).toEqual({ outcome, steps })
  }
})

test('neither where the program lies nor what its user speaks makes a difference', async () => {
  const [program, language] = [process.argv[1]!, Object.getOwnPropertyDescriptor(globalThis, 'navigator')]
  onTestFinished(() => {
    process.argv[1] = program
    if (language === undefined) Reflect.deleteProperty(globalThis, 'navigator')
    else Object.defineProperty(globalThis, 'navigator', language)
  })
  const script = known.find(({ source }) => source.includes('JSON.stringify(value)'))!
  for (const [path, tag] of [
    ['/p', 'de-CH'],
    [`/${'long/'.repeat(100)}program.js`, 'zh-Hant-TW'],
  ] as const) {
    process.argv[1] = path
    Object.defineProperty(globalThis, 'navigator', { value: { language: tag }, configurable: true })
    expect(await measure(script)).toEqual({ outcome: script.outcome, steps: script.steps })
  }
})

test('the samples of random histories give what they say they do', () => {
  const samples = known.filter(({ source }) => sampleScripts.some(sample => sample.source === source))
  expect(new Set(samples.map(({ source }) => source)).size).toBe(sampleScripts.length)
  for (const { source, base, versions, outcome } of samples) {
    const run = { source, base: base ?? undefined, versions: versions.map(version => version ?? undefined) }
    const plain = sampleOracleRules.runScript(run)
    if ('failure' in plain) expect(outcome, source).toMatchObject({ failure: plain.failure })
    else expect(parsed(plain), source).toEqual(parsed(outcome))
  }
})

function parsed(outcome: ScriptOutcome): unknown {
  return 'result' in outcome && outcome.result !== undefined ? JSON.parse(outcome.result) : undefined
}
