// Gets the servers that are named, or all of them, ahead of the first test: `node test/servers/get.ts kafka minio`.
import { cachedFolder } from './cache.ts'
import { GOT_SERVERS, serverMissing } from './missing.ts'

const names = process.argv.slice(2)
const unknown = names.filter((name) => !GOT_SERVERS.some((server) => server.name === name))
if (unknown.length > 0)
  throw new Error(`no server is called ${unknown.join(', ')}: ${GOT_SERVERS.map(({ name }) => name).join(', ')}`)
for (const { name, files } of GOT_SERVERS) {
  if (names.length > 0 && !names.includes(name)) continue
  const why = serverMissing(name)
  if (why === undefined) await cachedFolder(files)
  else process.stderr.write(`${name} is left out: ${why}\n`)
}
