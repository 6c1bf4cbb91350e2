import { afterAll, beforeAll, describe } from 'vitest'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'
import { archiveInStoreContract } from '../../contract/archive-in-store.ts'
import { type Azurite, startAzurite } from '../../servers/azurite.ts'
import { type FaultProxy, startFaultProxy } from '../../servers/fault-proxy.ts'
import { serverMissing } from '../../servers/missing.ts'
import { newContainer, optionsOf } from './server.ts'

describe.skipIf(serverMissing('azurite') !== undefined)('an archive in Azure Blob Storage', { timeout: 120_000 }, () => {
  let server: Azurite
  let proxy: FaultProxy
  beforeAll(async () => {
    server = await startAzurite()
    proxy = await startFaultProxy(new URL(server.endpoint).origin, 7)
  })
  afterAll(async () => {
    await proxy?.stop()
    await server?.stop()
  })

  archiveInStoreContract(
    async () => {
      const place = { ...optionsOf(server), container: await newContainer(server), prefix: 'archive/' }
      const { origin, pathname } = new URL(server.endpoint)
      return ({ url = origin, ...options }) => openAzureStore({ ...place, endpoint: url + pathname, ...options })
    },
    () => proxy,
  )
})
