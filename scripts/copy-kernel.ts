// Puts the compiled kernel where the built loader looks for it: `node scripts/copy-kernel.ts` after the kernel and tsc.
import { copyFileSync, mkdirSync } from 'node:fs'
import { kernelFile } from './build-kernel.ts'

const target = new URL('../dist/kernel/', import.meta.url)
mkdirSync(target, { recursive: true })
copyFileSync(kernelFile, new URL('kernel.wasm', target))
