import { afterAll, beforeAll, describe } from 'vitest'
import { storeContract } from '../../contract/store.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type FakeGcs, startFakeGcs } from '../../servers/fake-gcs.ts'
import { serverMissing } from '../../servers/missing.ts'
import { openNewStore } from './server.ts'

describe.skipIf(serverMissing('fake-gcs') !== undefined)('Google Cloud Storage', () => {
  let server: FakeGcs
  beforeAll(async () => {
    server = await startFakeGcs({ backend: 'memory' })
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())

  storeContract('a bucket of Google Cloud Storage', () => openNewStore(server))
})
