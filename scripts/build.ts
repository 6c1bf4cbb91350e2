// Makes dist/, what a user installs, anew: `node scripts/build.ts`.
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compileKernel } from './build-kernel.ts'
import { bundleProgram } from './bundle.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const inDist = (path: string): string => fileURLToPath(new URL(`../dist/${path}`, import.meta.url))

rmSync(inDist(''), { recursive: true, force: true })
// TypeScript gives the types of what package.json exports, and nothing else: the modules come out of the bundle, with the program's.
const shell = process.platform === 'win32'
const { status } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit', shell })
if (status === 0) {
  await bundleProgram(inDist(''))
  await compileKernel(inDist('cli/kernel.wasm'))
  // npm makes what `bin` names executable where it installs it; this is for those who call it where it was built.
  chmodSync(inDist('cli/main.js'), 0o755)
}
process.exitCode = status ?? 1
