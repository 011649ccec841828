import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import releaseVariant from '@jitl/quickjs-wasmfile-release-sync'
import type { ScriptOutcome, ScriptRun } from '@atolldb/core'
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type Intrinsics,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSSyncVariant,
} from 'quickjs-emscripten-core'
import { meterWasm } from './meter-wasm.ts'

/**
 * Runs merge scripts in QuickJS (2025-09-13), compiled to WebAssembly and metered (`meter-wasm.ts`). Each run has a machine of
 * its own: the same steps, the same memory from the first byte on, so that a run is a function of its input alone, and so is
 * the point at which it exceeds a limit (docs/decisions/0006). These numbers decide states: they are constants of rules
 * version 1, and so is this version of QuickJS.
 */
const MAX_STEPS = 20_000_000
const MEMORY_PAGES = 512
const MAX_MEMORY_BYTES = 16 * 1024 * 1024
/** Calls inside QuickJS, and bytes of its own stack: whichever comes first. */
export const MAX_CALL_DEPTH = 2_000
const MAX_STACK_BYTES = 192 * 1024

/** No clock (`Date`), no bits of NaN (typed arrays), nothing that runs later (`Promise`), no weak references. */
const intrinsics: Intrinsics = {
  BaseObjects: true,
  Eval: true,
  RegExp: true,
  RegExpCompiler: true,
  StringNormalize: true,
  JSON: true,
  MapSet: true,
  BigInt: true,
  Date: false,
  Proxy: false,
  TypedArrays: false,
  Promise: false,
}

/** Taken apart and put together inside, by what no script has touched yet. */
const prelude = `delete Math.random
delete globalThis.WeakRef
delete globalThis.FinalizationRegistry
delete globalThis.performance;
(({ parse, stringify }) => (merge, input) => {
  if (typeof merge !== 'function') throw new TypeError('the script is no function')
  if (input === '') return ''
  const [base, ...versions] = parse(input).map(text => (text === null ? undefined : parse(text)))
  const value = merge(base, versions)
  if (value === undefined) return ''
  const text = stringify(value)
  if (text === undefined) throw new TypeError('the script returned no JSON')
  return text
})({ parse: JSON.parse, stringify: JSON.stringify })`

/** Its types take it for CommonJS. */
const quickjsVariant = releaseVariant as unknown as QuickJSSyncVariant

const MAX_MESSAGE_LENGTH = 200

/** What a script came to, and the steps that it took. */
export interface MeasuredOutcome {
  readonly outcome: ScriptOutcome
  readonly steps: number
}

export interface ScriptEngine {
  run(run: ScriptRun): Promise<ScriptOutcome>
  /** The same, measured. */
  measure(run: ScriptRun): Promise<MeasuredOutcome>
  /** Is the source an expression whose value is a function? */
  check(source: string): Promise<ScriptOutcome>
}

/** Reads, meters and compiles QuickJS: half a second of work. */
export async function loadScriptEngine(): Promise<ScriptEngine> {
  const file = createRequire(import.meta.url).resolve('@jitl/quickjs-wasmfile-release-sync/wasm')
  const module = await WebAssembly.compile(meterWasm(await readFile(file), { maxDepth: MAX_CALL_DEPTH }))
  const measure = ({ source, base, versions }: ScriptRun): Promise<MeasuredOutcome> =>
    execute(module, source, JSON.stringify([base ?? null, ...versions]))
  return {
    run: async run => (await measure(run)).outcome,
    measure,
    check: async source => (await execute(module, source, '')).outcome,
  }
}

async function execute(module: WebAssembly.Module, source: string, input: string): Promise<MeasuredOutcome> {
  const { context, steps } = await createMachine(module)
  const apply = context.unwrapResult(context.evalCode(prelude))
  steps.value = BigInt(MAX_STEPS)
  const outcome = applyScript(context, apply, source, input)
  return { outcome, steps: MAX_STEPS - Number(steps.value) }
  // Nothing is disposed of: the whole machine goes.
}

/**
 * In place of what tells the machine about its host, by the names that this build has for it. The name of the program and the
 * language of the user would lie in its memory: whatever comes after is elsewhere then, tables of hashes have other collisions, and
 * a script takes some steps more or less.
 */
function sealedImports(memory: WebAssembly.Memory): WebAssembly.Imports[string] {
  return {
    // environ_get, environ_sizes_get: there are no variables.
    e: () => 0,
    f: (count: number, size: number) => {
      const view = new DataView(memory.buffer)
      view.setUint32(count, 0, true)
      view.setUint32(size, 0, true)
      return 0
    },
    // emscripten_date_now, localtime, tzset: no clock and no time zone.
    p: () => 0,
    m: () => undefined,
    n: () => undefined,
  }
}

function applyScript(context: QuickJSContext, apply: QuickJSHandle, source: string, input: string): ScriptOutcome {
  try {
    const merge = context.evalCode(`(${source}\n)`, 'script')
    if (merge.error !== undefined) return failure(context, merge.error)
    const result = context.callFunction(apply, context.undefined, merge.value, context.newString(input))
    if (result.error !== undefined) return failure(context, result.error)
    const text = context.getString(result.value)
    return { result: text === '' ? undefined : text }
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError)
      return { failure: 'limits', message: 'more steps or calls than a script may take' }
    throw error
  }
}

async function createMachine(
  module: WebAssembly.Module,
): Promise<{ context: QuickJSContext; steps: { value: bigint } }> {
  const wasmMemory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES })
  let steps: { value: bigint } | undefined
  const instantiateWasm = (
    imports: WebAssembly.Imports,
    onSuccess: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): WebAssembly.Exports => {
    const instance = new WebAssembly.Instance(module, { a: { ...imports['a'], ...sealedImports(wasmMemory) } })
    steps = instance.exports['steps'] as { value: bigint }
    onSuccess(instance, module)
    return instance.exports
  }
  const variant = newVariant(quickjsVariant, { wasmMemory, emscriptenModule: { instantiateWasm } })
  const quickjs = await newQuickJSWASMModuleFromVariant(variant)
  const runtime = quickjs.newRuntime({ memoryLimitBytes: MAX_MEMORY_BYTES, maxStackSizeBytes: MAX_STACK_BYTES })
  const context = runtime.newContext({ intrinsics })
  if (steps === undefined) throw new Error('the machine was not instantiated')
  return { context, steps }
}

function failure(context: QuickJSContext, error: QuickJSHandle): ScriptOutcome {
  const thrown: unknown = context.dump(error)
  const name = memberText(thrown, 'name')
  const message = typeof thrown === 'string' ? thrown : memberText(thrown, 'message')
  const text = `${name}: ${message}`.slice(0, MAX_MESSAGE_LENGTH)
  return { failure: name === 'InternalError' ? 'limits' : 'failed', message: text }
}

/** Anything at all can be thrown. */
function memberText(thrown: unknown, member: string): string {
  if (typeof thrown !== 'object' || thrown === null) return ''
  const value: unknown = Reflect.get(thrown, member)
  return typeof value === 'string' ? value : ''
}
