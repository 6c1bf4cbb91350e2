import { afterAll, beforeAll, describe } from 'vitest'
import { openMongoIndex } from '../../../src/adapters/mongodb/index.ts'
import { segmentIndexContract } from '../../contract/segment-index.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import type { Server } from '../../servers/server.ts'
import { mongoServers, newDatabase } from './servers.ts'

describe.each(mongoServers)('over $name', ({ name, missing, start }) => {
  describe.skipIf(missing !== undefined)('the index', () => {
    let server: Server & { readonly url: string }
    beforeAll(async () => {
      server = await start()
    }, GET_LIMIT_MS)
    afterAll(() => server.stop())

    segmentIndexContract(`mongodb over ${name}`, async () => {
      const options = newDatabase(server.url)
      return { open: () => openMongoIndex(options), remove: async () => {} }
    })
  })
})
