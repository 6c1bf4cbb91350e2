import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probeStore } from '../../../src/store/probe.ts'
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

  it('can hold an archive, and keeps nothing of the probe', async () => {
    await using store = await openNewStore(server, { prefix: 'archive/' })
    await probeStore(store, { random: 'abc' })
    expect(await Array.fromAsync(store.list(''))).toEqual([])
  })

  storeContract('a bucket of Google Cloud Storage', () => openNewStore(server))
})
