import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compileKernel, kernelFile } from '../../scripts/build-kernel.ts'

describe('the compiled kernel', () => {
  it('is what its source compiles to now', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millpond-kernel-'))
    try {
      const fresh = join(folder, 'kernel.wasm')
      await compileKernel(fresh)
      expect(Buffer.compare(readFileSync(fresh), readFileSync(kernelFile)), 'run "npm run kernel"').toBe(0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
  it('imports its memory and nothing else', () => {
    const module = new WebAssembly.Module(readFileSync(kernelFile))
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }])
    expect(WebAssembly.Module.exports(module).length).toBeGreaterThan(10)
  })
})
