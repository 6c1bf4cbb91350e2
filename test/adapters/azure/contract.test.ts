import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probeStore } from '../../../src/store/probe.ts'
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

  it('can hold an archive, and keeps nothing of the probe', async () => {
    await using store = await openNewStore(server, { prefix: 'archive/' })
    await probeStore(store, { random: 'abc' })
    expect(await Array.fromAsync(store.list(''))).toEqual([])
  })

  storeContract('a container of Azure Blob Storage', () => openNewStore(server))
})
