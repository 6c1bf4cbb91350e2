#!/usr/bin/env node
// Written for every Node that knows modules, so that an old one can still say what is missing: no static import, no new syntax.
const major = Number(process.versions.node.split('.')[0])

if (major < 24) {
  process.stderr.write(`error: Millpond needs Node 24 or later; this is ${process.version} (NODE_TOO_OLD)\n`)
  process.stderr.write('next: install it from https://nodejs.org, or: npx -p node@24 millpond\n')
  process.exitCode = 3
} else {
  keepCompiled()
  import('./run.ts').then(
    function start(edge) {
      return edge.run(process)
    },
    function fail(error) {
      process.stderr.write(`error: ${error && error.stack ? error.stack : error}\n`)
      process.exitCode = 1
    },
  )
}

/**
 * What is compiled for this start serves the next ones: before the first import, for what is loaded earlier is not kept. The folder is the
 * user's own and not Node's usual one, which is below a folder that all users share: who writes there says what runs here. Where nothing can
 * be written, nothing is kept.
 */
function keepCompiled() {
  try {
    const path = process.getBuiltinModule('node:path')
    const os = process.getBuiltinModule('node:os')
    const caches = process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache')
    process.getBuiltinModule('node:module').enableCompileCache(path.join(caches, 'millpond', 'compiled'))
  } catch {
    // Who has no home folder starts without.
  }
}
