import { afterAll, beforeAll, describe } from 'vitest'
import { openMongoJobs } from '../../../src/adapters/mongodb/jobs.ts'
import { jobStoreContract } from '../../contract/job-store.ts'
import { schedulesContract } from '../../contract/schedules.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import type { Server } from '../../servers/server.ts'
import { mongoServers, newDatabase } from './servers.ts'

describe.each(mongoServers)('over $name', ({ name, missing, start }) => {
  describe.skipIf(missing !== undefined)('the jobs', () => {
    let server: Server & { readonly url: string }
    beforeAll(async () => {
      server = await start()
    }, GET_LIMIT_MS)
    afterAll(() => server.stop())

    const fixture = async () => {
      const options = newDatabase(server.url)
      return { open: () => openMongoJobs(options), [Symbol.asyncDispose]: async () => undefined }
    }
    jobStoreContract(`mongodb over ${name}`, fixture)
    schedulesContract(`mongodb over ${name}`, fixture)
  })
})
