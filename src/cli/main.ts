#!/usr/bin/env node
// Written for every Node that knows modules, so that an old one can still say what is missing: no static import, no new syntax.
const major = Number(process.versions.node.split('.')[0])

if (major < 24) {
  process.stderr.write(`error: Millpond needs Node 24 or later; this is ${process.version} (NODE_TOO_OLD)\n`)
  process.stderr.write('next: install it from https://nodejs.org, or: npx -p node@24 millpond\n')
  process.exitCode = 3
} else {
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
