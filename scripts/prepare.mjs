// Runs after `npm ci` under whichever Node npm found, which may be too old to strip types: hands over to the Node of this package.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
if (existsSync(new URL('../src/kernel/assembly/kernel.ts', import.meta.url))) {
  // On Windows what npm puts on PATH is a .cmd, which only a shell finds.
  const shell = process.platform === 'win32'
  const { status } = spawnSync('node', ['scripts/build-kernel.ts'], { cwd: root, stdio: 'inherit', shell })
  process.exitCode = status ?? 1
}
