/** What `script-engine.ts` uses of the WebAssembly JavaScript API, which Node has and its types leave to browsers'. */
declare namespace WebAssembly {
  type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>
  type Exports = Readonly<Record<string, unknown>>

  class Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module'
  }
  class Instance {
    readonly exports: Exports
    constructor(module: Module, imports: Imports)
  }
  class Memory {
    readonly buffer: ArrayBuffer
    constructor(pages: { readonly initial: number; readonly maximum: number })
    grow(pages: number): number
  }
  class RuntimeError extends Error {}
  function compile(bytes: Uint8Array): Promise<Module>
}
