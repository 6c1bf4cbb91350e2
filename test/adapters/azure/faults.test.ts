import { describe } from 'vitest'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'
import { badNetworkContract } from '../../contract/bad-network.ts'
import { startAzurite } from '../../servers/azurite.ts'
import { serverMissing } from '../../servers/missing.ts'
import { newContainer, optionsOf } from './server.ts'

describe.skipIf(serverMissing('azurite') !== undefined)('Azure Blob Storage', () => {
  badNetworkContract({
    name: 'Azure Blob Storage',
    start: () => startAzurite(),
    startLimitMs: 60_000,
    urlOf: ({ endpoint }) => new URL(endpoint).origin,
    async newPlace(server) {
      const container = await newContainer(server)
      const endpointAt = (url: string) => `${url}${new URL(server.endpoint).pathname}`
      return ({ url, ...options }) => openAzureStore({ ...optionsOf(server), container, endpoint: endpointAt(url), ...options })
    },
    isPut: (method, path) => method === 'PUT' && !path.includes('comp='),
  })
})
