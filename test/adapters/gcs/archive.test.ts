import { afterAll, beforeAll, describe } from 'vitest'
import { openGcsStore } from '../../../src/adapters/gcs/store.ts'
import { archiveInStoreContract } from '../../contract/archive-in-store.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type FakeGcs, startFakeGcs } from '../../servers/fake-gcs.ts'
import { type FaultProxy, startFaultProxy } from '../../servers/fault-proxy.ts'
import { serverMissing } from '../../servers/missing.ts'
import { newBucket } from './server.ts'
import { type SessionProxy, startSessionProxy } from './session-proxy.ts'

describe.skipIf(serverMissing('fake-gcs') !== undefined)('an archive in Google Cloud Storage', { timeout: 120_000 }, () => {
  let server: FakeGcs
  let sessions: SessionProxy
  let proxy: FaultProxy
  beforeAll(async () => {
    server = await startFakeGcs({ backend: 'memory' })
    // Uploads go on after a fault only where the service says how far they are.
    sessions = await startSessionProxy(server.apiEndpoint)
    proxy = await startFaultProxy(sessions.url, 7)
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await proxy?.stop()
    await sessions?.stop()
    await server?.stop()
  })

  archiveInStoreContract(
    async () => {
      const place = { bucket: await newBucket(server), prefix: 'archive/', credentials: { kind: 'anonymous' } } as const
      return ({ url = server.apiEndpoint, ...options }) => openGcsStore({ ...place, endpoint: url, ...options })
    },
    () => proxy,
  )
})
