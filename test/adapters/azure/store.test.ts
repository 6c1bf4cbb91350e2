import { afterAll, beforeAll, describe } from 'vitest'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'
import { createSecret } from '../../../src/secret.ts'
import { storeContract } from '../../contract/store.ts'
import { type Azurite, startAzurite } from '../../servers/azurite.ts'
import { serverMissing } from '../../servers/missing.ts'

describe.skipIf(serverMissing('azurite') !== undefined)('Azure Blob Storage', () => {
  let server: Azurite
  let containers = 0

  beforeAll(async () => {
    server = await startAzurite()
  })
  afterAll(() => server.stop())

  const openNew = async () => {
    const container = `container-${++containers}`
    await server.createContainer(container)
    const connectionString = createSecret(server.connectionString)
    return openAzureStore({ container, credentials: { kind: 'connection-string', connectionString }, partBytes: 256 * 1024 })
  }

  storeContract('a container of Azure Blob Storage', openNew)
})
