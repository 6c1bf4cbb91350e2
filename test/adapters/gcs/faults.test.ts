import { describe } from 'vitest'
import { openGcsStore } from '../../../src/adapters/gcs/store.ts'
import { badNetworkContract } from '../../contract/bad-network.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { startFakeGcs } from '../../servers/fake-gcs.ts'
import { serverMissing } from '../../servers/missing.ts'
import { newBucket } from './server.ts'

describe.skipIf(serverMissing('fake-gcs') !== undefined)('Google Cloud Storage', () => {
  badNetworkContract({
    name: 'Google Cloud Storage',
    // It has to know its buckets after it was killed.
    start: () => startFakeGcs({ backend: 'filesystem' }),
    startLimitMs: GET_LIMIT_MS,
    urlOf: ({ apiEndpoint }) => apiEndpoint,
    async newPlace(server) {
      const bucket = await newBucket(server)
      return ({ url, ...options }) => openGcsStore({ bucket, endpoint: url, credentials: { kind: 'anonymous' }, ...options })
    },
    isPut: (method, path) => method === 'POST' && path.includes('uploadType=multipart'),
  })
})
