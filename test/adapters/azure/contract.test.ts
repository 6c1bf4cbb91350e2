import { afterAll, beforeAll, describe } from 'vitest'
import { storeContract } from '../../contract/store.ts'
import { type Azurite, startAzurite } from '../../servers/azurite.ts'
import { serverMissing } from '../../servers/missing.ts'
import { openNewStore } from './server.ts'

describe.skipIf(serverMissing('azurite') !== undefined)('Azure Blob Storage', () => {
  let server: Azurite
  beforeAll(async () => {
    server = await startAzurite()
  })
  afterAll(() => server?.stop())

  storeContract('a container of Azure Blob Storage', () => openNewStore(server))
})
