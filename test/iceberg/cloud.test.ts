import { describe } from 'vitest'
import { createFileCatalog } from '../../src/iceberg/file-catalog.ts'
import type { Store } from '../../src/store/store.ts'
import * as azure from '../adapters/azure/server.ts'
import * as gcs from '../adapters/gcs/server.ts'
import * as s3 from '../adapters/s3/servers.ts'
import { catalogContract, type CatalogPlace } from '../contract/catalog.ts'
import { startAzurite } from '../servers/azurite.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { startFakeGcs } from '../servers/fake-gcs.ts'
import { serverMissing } from '../servers/missing.ts'
import { startVersitygw } from '../servers/versitygw.ts'

/** A catalogue of files in a store of a server, which is stopped with it. */
function placeIn(store: Store, server: { stop(): Promise<unknown> }): CatalogPlace {
  const root = 'store://pond'
  const open = () => Promise.resolve(createFileCatalog({ store, root, prefix: 'lake/', nowMs: Date.now }))
  const stop = async () => {
    await store[Symbol.asyncDispose]()
    await server.stop()
  }
  return { store, root, open, [Symbol.asyncDispose]: stop }
}

describe.skipIf(serverMissing('versitygw') !== undefined)('in S3', () => {
  catalogContract(
    'files in S3',
    async () => {
      const server = await startVersitygw()
      return placeIn(await s3.openNewStore(server), server)
    },
    GET_LIMIT_MS,
  )
})

describe.skipIf(serverMissing('fake-gcs') !== undefined)('in Google Cloud Storage', () => {
  catalogContract(
    'files in Google Cloud Storage',
    async () => {
      const server = await startFakeGcs()
      return placeIn(await gcs.openNewStore(server), server)
    },
    GET_LIMIT_MS,
  )
})

describe.skipIf(serverMissing('azurite') !== undefined)('in Azure', () => {
  catalogContract(
    'files in Azure',
    async () => {
      const server = await startAzurite()
      return placeIn(await azure.openNewStore(server), server)
    },
    GET_LIMIT_MS,
  )
})
