// Gets something that takes a while to make, or fails to: `node cache-child.ts <milliseconds> <exit code of the maker>`.
import { appendFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cachedFolder } from './cache.ts'

const [milliseconds = '0', exitCode = '0'] = process.argv.slice(2)

const folder = await cachedFolder({
  name: 'something',
  version: '1',
  tools: ['sh'],
  async get(folder, run) {
    await writeFile(join(folder, 'first'), '')
    await appendFile(join(dirname(folder), 'begun'), '.')
    await run('sh', ['-c', `sleep ${Number(milliseconds) / 1_000}; echo said this; exit ${exitCode}`])
    await writeFile(join(folder, 'last'), '')
  },
})
process.stdout.write(folder)
