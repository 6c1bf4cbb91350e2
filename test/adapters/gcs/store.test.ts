import { afterAll, beforeAll, describe } from 'vitest'
import { openGcsStore } from '../../../src/adapters/gcs/store.ts'
import { storeContract } from '../../contract/store.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type FakeGcs, startFakeGcs } from '../../servers/fake-gcs.ts'
import { serverMissing } from '../../servers/missing.ts'

describe.skipIf(serverMissing('fake-gcs') !== undefined)('Google Cloud Storage', () => {
  let server: FakeGcs
  let buckets = 0

  beforeAll(async () => {
    server = await startFakeGcs({ backend: 'memory' })
  }, GET_LIMIT_MS)
  afterAll(() => server.stop())

  const openNew = async () => {
    const bucket = `bucket-${++buckets}`
    await server.createBucket(bucket)
    return openGcsStore({ bucket, endpoint: server.apiEndpoint, credentials: { kind: 'anonymous' }, partBytes: 256 * 1024 })
  }

  storeContract('a bucket of Google Cloud Storage', openNew)
})
