import { afterAll, beforeAll, describe } from 'vitest'
import { storeContract } from '../../contract/store.ts'
import { serverMissing } from '../../servers/missing.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import type { S3Server } from '../../servers/s3.ts'
import { implementations, openNewStore } from './servers.ts'

for (const { name, start, limits } of implementations) {
  describe.skipIf(serverMissing(name) !== undefined)(`S3 of ${name}`, { timeout: 60_000 }, () => {
    let server: S3Server
    beforeAll(async () => {
      server = await start()
    }, GET_LIMIT_MS)
    afterAll(() => server?.stop())

    storeContract(name, () => openNewStore(server), limits)
  })
}
