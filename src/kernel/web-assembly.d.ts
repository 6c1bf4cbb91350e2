/** The part of the WebAssembly API that the loader uses: TypeScript has it only together with the DOM. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
    static exports(module: Module): { readonly name: string; readonly kind: string }[]
    static imports(module: Module): { readonly module: string; readonly name: string; readonly kind: string }[]
  }
  class Memory {
    readonly buffer: ArrayBuffer
    constructor(limits: { readonly initial: number; readonly maximum: number })
  }
  class Instance {
    readonly exports: Readonly<Record<string, unknown>>
    constructor(module: Module, imports: { readonly env: { readonly memory: Memory } })
  }
  class RuntimeError extends Error {}
}
