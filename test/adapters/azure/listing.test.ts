import { BlobServiceClient } from '@azure/storage-blob'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAzureClient } from '../../../src/adapters/azure/client.ts'
import { inByteOrder, listFolders, type ListingQuery, listObjects } from '../../../src/adapters/azure/listing.ts'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'
import { compareKeys, sortKeys } from '../../../src/store/key.ts'
import { type Azurite, startAzurite } from '../../servers/azurite.ts'
import { serverMissing } from '../../servers/missing.ts'
import { startWatchingProxy } from '../watching-proxy.ts'
import { newContainer, openNewStore, optionsOf } from './server.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

describe('keys in the order of UTF-16', () => {
  const segment = fc.string({
    unit: fc.constantFrom('a', 'b', '\u{1f600}', '\u{1f601}', '\ue000', '\uffee'),
    minLength: 1,
    maxLength: 3,
  })
  const keys = fc.uniqueArray(fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/')))

  it('come in that of UTF-8', async () => {
    await fc.assert(
      fc.asyncProperty(keys, async (keys) => {
        const ordered = await Array.fromAsync(inByteOrder(each(keys.toSorted()), (key) => key))
        expect(ordered).toEqual(sortKeys([...keys]))
      }),
    )
  })

  it('stay where they are in that of UTF-8', async () => {
    await fc.assert(
      fc.asyncProperty(keys, async (keys) => {
        const sorted = sortKeys([...keys])
        expect(await Array.fromAsync(inByteOrder(each(sorted), (key) => key))).toEqual(sorted)
      }),
    )
  })

  it('are not held where the two orders are one', async () => {
    let taken = 0
    const items = (async function* () {
      for (const key of ['a', 'b/\ue000', 'b/\uffee', 'c']) {
        taken++
        yield key
      }
    })()
    for await (const key of inByteOrder(items, (key) => key))
      expect([key, taken]).toEqual([key, ['a', 'b/\ue000', 'b/\uffee', 'c'].indexOf(key) + 1])
  })
})

describe.skipIf(serverMissing('azurite') !== undefined)('listings of Azure Blob Storage', () => {
  let server: Azurite
  beforeAll(async () => {
    server = await startAzurite()
  })
  afterAll(() => server?.stop())

  it('say to the service where they begin, and leave out what it gives before', async () => {
    await using proxy = await startWatchingProxy(server.endpoint)
    const endpoint = proxy.url + new URL(server.endpoint).pathname
    await using store = await openNewStore(server, { endpoint })
    for (const key of ['p/1', 'p/2', 'p/3', 'q']) await store.put(key, bytesOf(key))
    const listed = async (prefix: string, after: string) => {
      const keys = await Array.fromAsync(store.list(prefix, { after }), ({ key }) => key)
      const [asked] = proxy
        .requests()
        .filter(({ url }) => url.searchParams.get('comp') === 'list')
        .slice(-1)
      return { keys, startFrom: asked?.url.searchParams.get('startFrom') ?? undefined }
    }
    expect(await listed('p/', 'p/1')).toEqual({ keys: ['p/2', 'p/3'], startFrom: 'p/1' })
    expect(await listed('', 'p/2/x')).toEqual({ keys: ['p/3', 'q'], startFrom: 'p/2/x' })
    expect(await listed('p/', 'a')).toEqual({ keys: ['p/1', 'p/2', 'p/3'], startFrom: undefined })
    expect(await listed('p/', 'q')).toEqual({ keys: [], startFrom: undefined })
    // In which order the service sees such keys is not known, so that it is asked for all.
    expect(await listed('p/', 'p/\uffee')).toEqual({ keys: [], startFrom: undefined })
  })

  it('leave out the folders of a hierarchical namespace', async () => {
    const container = await newContainer(server)
    const client = await openAzureClient({ ...optionsOf(server), container })
    const service = BlobServiceClient.fromConnectionString(server.connectionString).getContainerClient(container)
    await service.getBlockBlobClient('a').upload('', 0, { metadata: { hdi_isfolder: 'true' } })
    await service.getBlockBlobClient('a/b').upload('x', 1)
    const keys = async (hasFolders: boolean) =>
      Array.fromAsync(
        listObjects({ ...client, hasFolders: async () => hasFolders, pageCount: 100 }, { prefix: '' }),
        ({ key }) => key,
      )
    expect(await keys(true)).toEqual(['a/b'])
    expect(await keys(false)).toEqual(['a', 'a/b'])
  })

  it('of more than a page go on where the page before ended', async () => {
    const container = await newContainer(server)
    await using store = await openAzureStore({ ...optionsOf(server), container })
    const listed = {
      ...(await openAzureClient({ ...optionsOf(server), container })),
      hasFolders: async () => false,
      pageCount: 100,
    }
    const keys = Array.from({ length: 730 }, (_, at) => `${at % 4}/${String(at).padStart(5, '0')}/x`).toSorted(compareKeys)
    let next = 0
    const work = async () => {
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) await store.put(key, bytesOf('x'))
    }
    await Promise.all(Array.from({ length: 16 }, work))
    const keysOf = (query: ListingQuery) => Array.fromAsync(listObjects(listed, query), ({ key }) => key)
    expect(await keysOf({ prefix: '' })).toEqual(keys)
    expect(await keysOf({ prefix: '', after: keys[550]! })).toEqual(keys.slice(551))
    expect(await keysOf({ prefix: '', after: keys[550]!, limit: 1 })).toEqual(keys.slice(551, 552))
    expect(await keysOf({ prefix: '2/', limit: 150 })).toEqual(keys.filter((key) => key.startsWith('2/')).slice(0, 150))
    expect(await Array.fromAsync(listFolders(listed, ''))).toEqual(['0', '1', '2', '3'])
    const folders = keys.flatMap((key) => (key.startsWith('1/') ? [key.split('/')[1]!] : []))
    expect(await Array.fromAsync(listFolders(listed, '1/'))).toEqual(folders)
  })
})
