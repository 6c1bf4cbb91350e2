import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openGcsStore } from '../../../src/adapters/gcs/store.ts'
import { createRequestTotals } from '../../../src/store/requests.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import type { Store } from '../../../src/store/store.ts'
import { createRandom } from '../../live/random.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type FakeGcs, startFakeGcs } from '../../servers/fake-gcs.ts'
import { serverMissing } from '../../servers/missing.ts'
import { newBucket } from './server.ts'
import { type SessionFault, type SessionProxy, startSessionProxy } from './session-proxy.ts'

const PART_BYTES = 1024 * 1024
const isEqual = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0

/** Bytes of which no stretch is like another. */
function bytesLike(seed: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  let state = seed | 1
  for (let at = 0; at < count; at++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223
    bytes[at] = state >>> 24
  }
  return bytes
}

describe.skipIf(serverMissing('fake-gcs') !== undefined)('an upload in parts to Google Cloud Storage', () => {
  let server: FakeGcs
  let proxy: SessionProxy
  let bucket: string
  let store: Store
  let totals: ReturnType<typeof createRequestTotals>

  beforeAll(async () => {
    server = await startFakeGcs({ backend: 'memory' })
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())
  beforeEach(async () => {
    proxy = await startSessionProxy(server.apiEndpoint)
    bucket = await newBucket(server)
    totals = createRequestTotals()
    store = await openGcsStore({
      bucket,
      endpoint: proxy.url,
      credentials: { kind: 'anonymous' },
      partBytes: PART_BYTES,
      retry: { ...standardRetry, maxAttempts: 20, firstDelayMs: 2, maxDelayMs: 10 },
      observe: totals.observe,
    })
  })
  afterEach(async () => {
    await store[Symbol.asyncDispose]()
    await proxy.stop()
  })

  const bytes = bytesLike(3, 3 * PART_BYTES + 400_000)
  const write = async (key: string, chunkBytes = 300_000) => {
    const writer = await store.openWriter(key)
    for (let at = 0; at < bytes.length; at += chunkBytes) await writer.write(bytes.subarray(at, at + chunkBytes))
    return writer.finish()
  }

  it('sends every byte once where nothing fails', async () => {
    expect(await write('big')).toBe('created')
    expect(isEqual(await store.read('big'), bytes)).toBe(true)
    expect(proxy.receivedBytes()).toBe(bytes.length)
    expect(totals.totals()).toMatchObject({ byKind: { begin: 1, part: 3, complete: 1, abort: 0 }, repeated: 0 })
  })

  it.each<{ fault: SessionFault; again: number; because: string }>([
    { fault: 'lose', again: 0, because: 'the service has all of it' },
    { fault: 'keep-some', again: PART_BYTES - 256 * 1024, because: 'the service has some of it' },
    { fault: 'keep-some-told', again: PART_BYTES - 256 * 1024, because: 'the answer says so' },
    { fault: 'drop', again: PART_BYTES, because: 'nothing has come' },
    { fault: 'refuse', again: PART_BYTES, because: 'nothing was taken' },
  ])('after $fault sends $again bytes of a part again: $because', async ({ fault, again }) => {
    proxy.setPlan([undefined, fault])
    expect(await write('big')).toBe('created')
    expect(isEqual(await store.read('big'), bytes)).toBe(true)
    expect(proxy.receivedBytes()).toBe(bytes.length + again)
  })

  it.each<SessionFault>(['lose', 'keep-some', 'keep-some-told', 'drop', 'refuse'])(
    'ends as it should where the last part meets %s',
    async (fault) => {
      proxy.setPlan([undefined, undefined, undefined, fault, fault])
      expect(await write('big')).toBe('created')
      expect(isEqual(await store.read('big'), bytes)).toBe(true)
      expect(await write('big')).toBe('exists')
    },
  )

  it('is right whatever happens to its parts', async () => {
    const random = createRandom(20)
    const faults = ['lose', 'keep-some', 'keep-some-told', 'drop', 'refuse', undefined] as const
    for (let round = 0; round < 12; round++) {
      proxy.setPlan(Array.from({ length: 12 }, () => faults[Math.floor(random() * faults.length)]))
      expect(await write(`round/${round}`, 1 + Math.floor(random() * 2_000_000))).toBe('created')
      expect(isEqual(await store.read(`round/${round}`), bytes)).toBe(true)
    }
  })

  it('makes no object of damaged bytes', async () => {
    proxy.setPlan([undefined, 'damage'])
    await expect(write('big')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await store.size('big')).toBeUndefined()
    expect(await write('big')).toBe('created')
  })

  it('does not replace what another writer has made meanwhile', async () => {
    const writer = await store.openWriter('big')
    await writer.write(bytes)
    expect(await store.putIfAbsent('big', bytes.subarray(0, 10))).toBe('created')
    expect(await writer.finish()).toBe('exists')
    expect(isEqual(await store.read('big'), bytes.subarray(0, 10))).toBe(true)
  })

  it('is known to have lost where its last answer was lost too', async () => {
    const writer = await store.openWriter('big')
    await writer.write(bytes)
    expect(await store.putIfAbsent('big', bytes)).toBe('created')
    proxy.setPlan(['lose'])
    expect(await writer.finish()).toBe('exists')
  })

  it('holds a part on its way and one that fills', async () => {
    const writer = await store.openWriter('big')
    let most = 0
    for (let at = 0; at < bytes.length; at += 100_000) {
      await writer.write(bytes.subarray(at, at + 100_000))
      most = Math.max(most, writer.heldBytes)
    }
    expect(most).toBeLessThanOrEqual(2 * PART_BYTES + 100_000)
    expect(await writer.finish()).toBe('created')
    expect(writer.heldBytes).toBe(0)
  })
})
