// Runs after `npm ci` under whichever Node npm found, which may be too old to strip types: hands over to the Node of this package.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const source = new URL('../src/kernel/assembly/kernel.ts', import.meta.url)
if (existsSync(source)) {
  const script = new URL('build-kernel.ts', import.meta.url).pathname
  const { status } = spawnSync('node', [script], { stdio: 'inherit' })
  process.exitCode = status ?? 1
}
