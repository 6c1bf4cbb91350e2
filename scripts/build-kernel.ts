// Compiles the kernel (AssemblyScript) to WebAssembly: `node scripts/build-kernel.ts` writes src/kernel/kernel.wasm.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The part of the compiler's interface used here; its own types declare a `console` and more for the whole project. */
interface Compiler {
  main(
    args: string[],
    api: { stderr: { write(chunk: string | Uint8Array): void }; writeFile(name: string, contents: string | Uint8Array): void },
  ): Promise<{ error: Error | null }>
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where the loader (`src/kernel/kernel.ts`) looks for the compiled kernel. */
export const kernelFile = fileURLToPath(new URL('../src/kernel/kernel.wasm', import.meta.url))

const options = [
  '--runtime=stub',
  '--importMemory',
  '--initialMemory=2',
  '--maximumMemory=65536',
  '--noAssert',
  '--enable=simd',
  '--enable=bulk-memory',
  '-O3',
]

/**
 * The kernel, compiled afresh from `src/kernel/assembly/kernel.ts`; the same source always gives the same bytes.
 * @throws Error with the compiler's own messages where the source does not compile.
 */
async function compile(): Promise<Uint8Array> {
  const compiler = (await import(import.meta.resolve('assemblyscript/asc'))) as Compiler
  const decoder = new TextDecoder()
  let messages = ''
  let compiled: Uint8Array | undefined
  const { error } = await compiler.main(
    ['src/kernel/assembly/kernel.ts', '--baseDir', root, '--outFile', 'kernel.wasm', ...options],
    {
      stderr: {
        write(chunk) {
          messages += typeof chunk === 'string' ? chunk : decoder.decode(chunk)
        },
      },
      writeFile(name, contents) {
        if (name === 'kernel.wasm' && typeof contents !== 'string') compiled = contents
      },
    },
  )
  if (error !== null || compiled === undefined) throw new Error(`the kernel does not compile\n${messages}`, { cause: error })
  return compiled
}

/** Compiles the kernel into `outFile`, which is replaced at once: who loads it meanwhile sees the old file or the new one. */
export async function compileKernel(outFile: string): Promise<void> {
  const compiled = await compile()
  mkdirSync(dirname(outFile), { recursive: true })
  const unfinished = `${outFile}.${process.pid}`
  writeFileSync(unfinished, compiled)
  renameSync(unfinished, outFile)
}

if (import.meta.main) {
  try {
    await compileKernel(kernelFile)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
