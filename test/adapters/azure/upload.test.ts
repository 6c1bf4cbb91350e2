import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'
import { createRequestTotals } from '../../../src/store/requests.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import type { Store } from '../../../src/store/store.ts'
import { bytesLike } from '../../contract/bad-network.ts'
import { type Azurite, startAzurite } from '../../servers/azurite.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../../servers/fault-proxy.ts'
import { serverMissing } from '../../servers/missing.ts'
import { newContainer, optionsOf } from './server.ts'

const PART_BYTES = 1024 * 1024
const isEqual = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0

describe.skipIf(serverMissing('azurite') !== undefined)('an upload in blocks to Azure Blob Storage', () => {
  let server: Azurite
  let proxy: FaultProxy
  let store: Store
  let totals: ReturnType<typeof createRequestTotals>

  beforeAll(async () => {
    server = await startAzurite()
    proxy = await startFaultProxy(new URL(server.endpoint).origin)
  })
  afterAll(async () => {
    await proxy?.stop()
    await server?.stop()
  })
  beforeEach(async () => {
    proxy.setPlan(undefined)
    totals = createRequestTotals()
    store = await openAzureStore({
      ...optionsOf(server),
      endpoint: proxy.url + new URL(server.endpoint).pathname,
      container: await newContainer(server),
      partBytes: PART_BYTES,
      retry: { ...standardRetry, maxAttempts: 5, firstDelayMs: 2, maxDelayMs: 10 },
      observe: totals.observe,
    })
  })
  afterEach(() => store[Symbol.asyncDispose]())

  const bytes = bytesLike(3, 3 * PART_BYTES + 12_345)
  const write = async (key: string) => {
    const writer = await store.openWriter(key)
    for (let at = 0; at < bytes.length; at += 300_000) await writer.write(bytes.subarray(at, at + 300_000))
    return writer.finish()
  }
  /** The fault befalls the first requests that this applies to, as many as `times`. */
  const planned = (fault: Fault, applies: (method: string, path: string) => boolean, times = 1): void => {
    let left = times
    proxy.setPlan({ share: 1, faults: [fault], applies: (method, path) => applies(method, path) && left-- > 0 })
  }
  const isPart = (_: string, path: string) => /comp=block(?:&|$)/u.test(path)
  const isComplete = (_: string, path: string) => path.includes('comp=blocklist')

  it('sends each part once where nothing fails', async () => {
    expect(await write('big')).toBe('created')
    expect(isEqual(await store.read('big'), bytes)).toBe(true)
    expect(totals.totals()).toMatchObject({ byKind: { part: 4, complete: 1, head: 0 }, repeated: 0, sentBytes: bytes.length })
  })

  it.each<Fault>(['status-500', 'reset', 'lost-answer'])('sends only that part again which failed: %s', async (fault) => {
    planned(fault, isPart)
    expect(await write('big')).toBe('created')
    expect(isEqual(await store.read('big'), bytes)).toBe(true)
    expect(totals.totals().byKind).toMatchObject({ part: 5, complete: 1 })
  })

  it.each<Fault>(['status-503', 'reset', 'lost-answer', 'cut-answer'])('is made once where its end meets %s', async (fault) => {
    planned(fault, isComplete, 2)
    expect(await write('big')).toBe('created')
    expect(isEqual(await store.read('big'), bytes)).toBe(true)
    expect(await write('big')).toBe('exists')
  })

  it.each(['reset', 'lost-answer'] as const)('is known to have lost where its end meets %s', async (fault) => {
    const writer = await store.openWriter('big')
    await writer.write(bytes)
    // Another object under the key drops the blocks that are not in its list.
    expect(await store.putIfAbsent('big', bytes.subarray(0, 10))).toBe('created')
    planned(fault, isComplete)
    expect(await writer.finish()).toBe('exists')
    expect(isEqual(await store.read('big'), bytes.subarray(0, 10))).toBe(true)
  })

  it('is won by one of several writers whose blocks meet', async () => {
    const all = Array.from({ length: 8 }, (_, writer) => bytesLike(writer + 1, 2 * PART_BYTES + writer))
    const outcomes = await Promise.all(
      all.map(async (bytes) => {
        const writer = await store.openWriter('race')
        await writer.write(bytes)
        return writer.finish()
      }),
    )
    const winners = all.filter((_, at) => outcomes[at] === 'created')
    expect(winners).toHaveLength(1)
    expect(isEqual(await store.read('race'), winners[0]!)).toBe(true)
  })

  it('fails where a part cannot be sent, and is not seen', async () => {
    planned('status-503', isPart, Infinity)
    await expect(write('big')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await store.size('big')).toBeUndefined()
    expect(await Array.fromAsync(store.list(''))).toEqual([])
    proxy.setPlan(undefined)
    expect(await write('big')).toBe('created')
  })

  it('is taken back when the store is closed', async () => {
    const writer = await store.openWriter('big')
    await writer.write(bytes)
    await store[Symbol.asyncDispose]()
    await expect(writer.finish()).rejects.toMatchObject({ code: 'STOPPED' })
    await expect(store.read('big')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(writer.heldBytes).toBe(0)
  })
})
