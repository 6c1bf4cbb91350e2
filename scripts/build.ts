// Makes dist/, what a user installs, anew: `node scripts/build.ts`.
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compileKernel } from './build-kernel.ts'
import { bundleProtocol } from './bundle-protocol.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const inDist = (path: string): string => fileURLToPath(new URL(`../dist/${path}`, import.meta.url))

rmSync(inDist(''), { recursive: true, force: true })
await compileKernel(inDist('kernel/kernel.wasm'))
const shell = process.platform === 'win32'
const { status } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit', shell })
if (status === 0) await bundleProtocol(inDist('adapters/kafka/protocol.js'))
// npm makes what `bin` names executable where it installs it; this is for those who call it where it was built.
if (status === 0) chmodSync(inDist('cli/main.js'), 0o755)
process.exitCode = status ?? 1
