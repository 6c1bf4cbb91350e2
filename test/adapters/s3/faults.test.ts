import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { S3StoreOptions } from '../../../src/adapters/s3/options.ts'
import { openS3Store } from '../../../src/adapters/s3/store.ts'
import { createRequestTotals } from '../../../src/store/requests.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import type { Store } from '../../../src/store/store.ts'
import { until } from '../../live/until.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../../servers/fault-proxy.ts'
import { serverMissing } from '../../servers/missing.ts'
import type { S3Server } from '../../servers/s3.ts'
import { implementations, newBucket, optionsOf } from './servers.ts'

const MiB = 1024 * 1024
const PART_BYTES = 5 * MiB

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const isEqual = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0

/** Bytes of which no stretch is like another. */
function bytesLike(seed: number, count: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4))
  let state = seed | 1
  for (let at = 0; at < words.length; at++) words[at] = state = Math.imul(state, 1_664_525) + 1_013_904_223
  return new Uint8Array(words.buffer, 0, count)
}

for (const { name, start } of implementations) {
  describe.skipIf(serverMissing(name) !== undefined)(`a bad network to ${name}`, { timeout: 60_000 }, () => {
    let server: S3Server
    let proxy: FaultProxy
    let bucket: string
    let store: Store
    let totals: ReturnType<typeof createRequestTotals>

    /** A store behind the proxy; its requests are repeated at once. */
    const openBehind = (options: Partial<S3StoreOptions> = {}) =>
      openS3Store({
        ...optionsOf(server),
        endpoint: proxy.url,
        bucket,
        partBytes: PART_BYTES,
        retry: { ...standardRetry, maxAttempts: 20, firstDelayMs: 5, maxDelayMs: 20, budgetMs: 60_000 },
        observe: (observation) => totals.observe(observation),
        ...options,
      })
    /** The fault befalls the first requests that this applies to, as many as `times`. */
    const planned = (fault: Fault, applies: (method: string, path: string) => boolean, times = 1): void => {
      let left = times
      proxy.setPlan({ share: 1, faults: [fault], applies: (method, path) => applies(method, path) && left-- > 0 })
    }
    const uploadsLeft = async (): Promise<number> => {
      const { accessKeyId, secretAccessKey, region, endpoint } = server
      const client = new S3Client({ region, endpoint, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } })
      const { Uploads: uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
      client.destroy()
      return uploads.length
    }
    /** A server may still be at work on a part whose request was given up when the upload is taken back. */
    const noUploadsLeft = () => until(async () => (await uploadsLeft()) === 0, 'uploads to be taken back')
    const write = async (key: string, bytes: Uint8Array) => {
      const writer = await store.openWriter(key)
      for (let at = 0; at < bytes.length; at += MiB) await writer.write(bytes.subarray(at, at + MiB))
      return writer.finish()
    }

    beforeAll(async () => {
      server = await start()
      proxy = await startFaultProxy(server.endpoint)
    }, GET_LIMIT_MS)
    afterAll(async () => {
      await proxy?.stop()
      await server?.stop()
    })
    beforeEach(async () => {
      proxy.setPlan(undefined)
      bucket = await newBucket(server)
      totals = createRequestTotals()
      store = await openBehind()
    })
    afterEach(() => store[Symbol.asyncDispose]())

    const isPut = (method: string) => method === 'PUT'
    const isPart = (method: string, path: string) => method === 'PUT' && path.includes('partNumber=')
    const isComplete = (method: string, path: string) => method === 'POST' && path.includes('uploadId=')

    describe('a conditional write', () => {
      it('whose answer was lost is known by what is there', async () => {
        planned('lost-answer', isPut)
        expect(await store.putIfAbsent('a', bytesOf('ours'))).toBe('created')
        expect(textOf(await store.read('a'))).toBe('ours')
        expect(totals.totals().byKind).toMatchObject({ put: 2, head: 1 })
      })

      it('whose answer was lost has lost where another had been first, even with the same bytes', async () => {
        await store.put('a', bytesOf('the same'))
        planned('lost-answer', isPut)
        expect(await store.putIfAbsent('a', bytesOf('the same'))).toBe('exists')
      })

      it.each<Fault>(['status-500', 'status-503', 'reset', 'lost-answer', 'cut-answer'])(
        'is made once whatever happens on the way: %s, three times',
        async (fault) => {
          planned(fault, isPut, 3)
          expect(await store.putIfAbsent('a', bytesOf('ours'))).toBe('created')
          expect(await store.putIfAbsent('a', bytesOf('theirs'))).toBe('exists')
          expect(textOf(await store.read('a'))).toBe('ours')
        },
      )

      it('that hangs is given up and repeated', async () => {
        await using impatient = await openBehind({ timeoutMs: 300 })
        planned('hang', isPut, 2)
        expect(await impatient.putIfAbsent('a', bytesOf('ours'))).toBe('created')
        expect(totals.totals()).toMatchObject({ failed: 2, repeated: 2 })
      })

      it('is won by one of 50 racing writers', async () => {
        proxy.setPlan({ share: 0.3, faults: ['status-503', 'reset', 'lost-answer', 'slow'], delayMs: 20 })
        for (let round = 0; round < 3; round++) {
          const key = `race/${round}`
          const outcomes = await Promise.all(
            Array.from({ length: 50 }, (_, writer) => store.putIfAbsent(key, bytesOf(`writer ${writer}`))),
          )
          const winners = outcomes.flatMap((outcome, writer) => (outcome === 'created' ? [`writer ${writer}`] : []))
          expect(winners).toHaveLength(1)
          expect(textOf(await store.read(key))).toBe(winners[0])
        }
      })
    })

    describe('an object in parts', () => {
      const bytes = bytesLike(1, 3 * PART_BYTES + 12_345)

      it('is made although the answer of its completion was lost', async () => {
        planned('lost-answer', isComplete)
        expect(await write('big', bytes)).toBe('created')
        expect(isEqual(await store.read('big'), bytes)).toBe(true)
        expect(totals.totals().byKind).toMatchObject({ begin: 1, part: 4, complete: 2 })
        expect(await uploadsLeft()).toBe(0)
      })

      it('is not made where the key is taken, whatever becomes of the answer, and leaves no parts', async () => {
        await store.put('big', bytesOf('first'))
        expect(await write('big', bytes)).toBe('exists')
        planned('lost-answer', isComplete)
        expect(await write('big', bytes)).toBe('exists')
        expect(textOf(await store.read('big'))).toBe('first')
        expect(await uploadsLeft()).toBe(0)
      })

      it.each<Fault>(['status-500', 'reset', 'lost-answer'])('sends only that part again which failed: %s', async (fault) => {
        planned(fault, (method, path) => isPart(method, path) && path.includes('partNumber=2'))
        expect(await write('big', bytes)).toBe('created')
        expect(isEqual(await store.read('big'), bytes)).toBe(true)
        expect(totals.totals().byKind).toMatchObject({ begin: 1, part: 5, complete: 1 })
      })

      it('fails where a part cannot be sent, and leaves nothing', async () => {
        await using hasty = await openBehind({ retry: { ...standardRetry, maxAttempts: 3, firstDelayMs: 5 } })
        planned('status-503', (method, path) => isPart(method, path) && path.includes('partNumber=2'), Infinity)
        const writer = await hasty.openWriter('big')
        const writing = async () => {
          await writer.write(bytes)
          return writer.finish()
        }
        await expect(writing()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
        await writer.abort()
        expect(writer.heldBytes).toBe(0)
        expect(await store.size('big')).toBeUndefined()
        await noUploadsLeft()
      })

      it('leaves nothing when it is aborted while parts are on their way', async () => {
        planned('slow', isPart, Infinity)
        const writer = await store.openWriter('big')
        await writer.write(bytes)
        await writer.abort()
        expect(await store.size('big')).toBeUndefined()
        await noUploadsLeft()
      })

      it('is taken back when the store is closed', async () => {
        const other = await openBehind()
        const writer = await other.openWriter('big')
        await writer.write(bytes)
        await other[Symbol.asyncDispose]()
        await expect(writer.finish()).rejects.toMatchObject({ code: 'STOPPED' })
        await expect(other.read('big')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
        await noUploadsLeft()
      })

      it('is lost where its upload was given up by somebody else', async () => {
        const writer = await store.openWriter('big')
        await writer.write(bytes)
        const { accessKeyId, secretAccessKey, region, endpoint } = server
        const client = new S3Client({ region, endpoint, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } })
        const { AbortMultipartUploadCommand } = await import('@aws-sdk/client-s3')
        const { Uploads: uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
        expect(uploads).toHaveLength(1)
        const [upload] = uploads
        await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'big', UploadId: upload?.UploadId }))
        client.destroy()
        // Which error, the service says in its own way; none of them takes it for success.
        await expect(writer.finish()).rejects.toMatchObject({ name: 'MillpondError' })
        expect(await store.size('big')).toBeUndefined()
      })
    })

    it('does not harm what is read and listed', async () => {
      const keys = Array.from({ length: 30 }, (_, at) => `some/${String(at).padStart(2, '0')}`)
      const contents = keys.map((_, at) => bytesLike(at, 150_000 + at))
      await Promise.all(keys.map((key, at) => store.put(key, contents[at]!)))
      proxy.setPlan({ share: 0.4, faults: ['status-500', 'status-503', 'reset', 'cut-answer', 'slow'], delayMs: 20 })
      await Promise.all(
        keys.map(async (key, at) => {
          expect(isEqual(await store.read(key), contents[at]!)).toBe(true)
          expect(isEqual(await store.read(key, { start: 70_000, end: 140_001 }), contents[at]!.subarray(70_000, 140_001))).toBe(
            true,
          )
          expect(await store.size(key)).toBe(150_000 + at)
        }),
      )
      expect(await Array.fromAsync(store.list('some/'), ({ key }) => key)).toEqual(keys)
      expect(await Array.fromAsync(store.folders(''))).toEqual(['some'])
      await Promise.all(keys.map((key) => store.delete(key)))
      expect(await Array.fromAsync(store.list(''))).toEqual([])
      expect(totals.totals().repeated).toBeGreaterThan(0)
    })

    it('is told as such when it lasts', async () => {
      await using hasty = await openBehind({ retry: { ...standardRetry, maxAttempts: 3, firstDelayMs: 5 } })
      planned('status-503', () => true, Infinity)
      const failed = { code: 'STORE_UNAVAILABLE', retryable: true }
      await expect(hasty.putIfAbsent('a', bytesOf('x'))).rejects.toMatchObject(failed)
      await expect(hasty.read('a')).rejects.toMatchObject(failed)
      await expect(Array.fromAsync(hasty.list(''))).rejects.toMatchObject(failed)
      expect(totals.totals()).toMatchObject({ failed: 9, repeated: 6 })
    })

    it('that stands still is waited for', async () => {
      await using patient = await openBehind({ timeoutMs: 300 })
      const bytes = bytesLike(3, 2 * PART_BYTES)
      server.pause()
      try {
        const writer = await patient.openWriter('big')
        const writing = writer.write(bytes).then(() => writer.finish())
        const small = patient.putIfAbsent('small', bytesOf('ours'))
        await until(() => totals.totals().failed >= 2, 'requests to be given up')
        server.resume()
        expect(await Promise.all([writing, small])).toEqual(['created', 'created'])
      } finally {
        server.resume()
      }
      expect(isEqual(await store.read('big'), bytes)).toBe(true)
      expect(textOf(await store.read('small'))).toBe('ours')
    })

    it('that comes back is used again', async () => {
      await using patient = await openBehind({
        retry: { ...standardRetry, maxAttempts: Infinity, maxDelayMs: 50, budgetMs: 60_000 },
      })
      await server.kill()
      const writing = patient.putIfAbsent('a', bytesOf('ours'))
      await server.start()
      expect(await writing).toBe('created')
      expect(textOf(await store.read('a'))).toBe('ours')
    })
  })
}
