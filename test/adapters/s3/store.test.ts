import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { GetObjectTaggingCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { encodeCrc32c } from '../../../src/adapters/s3/checksum.ts'
import type { S3StoreOptions } from '../../../src/adapters/s3/options.ts'
import { openS3Store } from '../../../src/adapters/s3/store.ts'
import { crc32c } from '../../../src/kernel/checksum.ts'
import { createSecret } from '../../../src/secret.ts'
import { probeStore } from '../../../src/store/probe.ts'
import { createRequestTotals } from '../../../src/store/requests.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import type { Store } from '../../../src/store/store.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { startMinio, type Minio } from '../../servers/minio.ts'
import { serverMissing } from '../../servers/missing.ts'
import type { S3Server } from '../../servers/s3.ts'
import { startVersitygw } from '../../servers/versitygw.ts'
import { temporaryFolder } from '../local-fixtures.ts'
import { startDamager, startProxy, startRecorder } from './middlemen.ts'
import { newBucket, openNewStore, optionsOf } from './servers.ts'

const MiB = 1024 * 1024
const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const keysOf = (store: Store, ...args: Parameters<Store['list']>) => Array.fromAsync(store.list(...args), ({ key }) => key)

const once = { ...standardRetry, maxAttempts: 1 }
const quickly = { ...standardRetry, maxAttempts: 5, firstDelayMs: 5 }

/** Eleven MiB in pieces of one, of which a writer makes parts. */
const pieces = Array.from({ length: 11 }, (_, at) => new Uint8Array(MiB).fill(at + 1))

async function writePieces(store: Store, key: string): Promise<void> {
  const writer = await store.openWriter(key)
  for (const piece of pieces) await writer.write(piece)
  expect(await writer.finish()).toBe('created')
}

describe.skipIf(serverMissing('minio') !== undefined)('a store in MinIO', { timeout: 60_000 }, () => {
  let server: Minio
  let client: S3Client
  beforeAll(async () => {
    server = await startMinio()
    const { accessKeyId, secretAccessKey, region, endpoint } = server
    client = new S3Client({ region, endpoint, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } })
  }, GET_LIMIT_MS)
  afterAll(async () => {
    client?.destroy()
    await server?.stop()
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  const head = (bucket: string, key: string) =>
    client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }))

  it('can hold an archive', async () => {
    await using store = await openNewStore(server)
    await probeStore(store, { random: 'r' })
    expect(await keysOf(store, '')).toEqual([])
  })

  it('keeps to its folder of the bucket', async () => {
    const bucket = await newBucket(server)
    await using store = await openNewStore(server, { bucket, prefix: 'team/archive/' })
    await using whole = await openNewStore(server, { bucket })
    expect(store.name).toBe(`s3://${bucket}/team/archive/`)
    await whole.put('team/other', bytesOf('not ours'))
    await store.put('a/b', bytesOf('ours'))
    await writePieces(store, 'a/big')
    expect(await keysOf(whole, '')).toEqual(['team/archive/a/b', 'team/archive/a/big', 'team/other'])
    expect(await keysOf(store, '')).toEqual(['a/b', 'a/big'])
    expect(await keysOf(store, 'a/', { after: 'a/b' })).toEqual(['a/big'])
    expect(await Array.fromAsync(store.folders(''))).toEqual(['a'])
    expect(textOf(await store.read('a/b'))).toBe('ours')
    await expect(store.read('other')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    await expect(openNewStore(server, { bucket, prefix: 'no/folder' })).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })

  it('finds the newest commit with one LIST of one key', async () => {
    const { observe, totals } = createRequestTotals()
    const bucket = await newBucket(server)
    await using store = await openNewStore(server, { bucket })
    for (let at = 0; at < 20; at++) await store.put(`chain/${at + 10}`, bytesOf('x'))
    const { url, recorded, [Symbol.asyncDispose]: stop } = await startRecorder()
    await using recording = await openNewStore(server, { bucket, endpoint: url, retry: once })
    expect(await keysOf(recording, 'chain/', { limit: 1 })).toEqual([])
    expect(recorded.map(({ path }) => path)).toEqual([expect.stringContaining('max-keys=1&prefix=chain%2F')])
    await stop()
    await using counted = await openNewStore(server, { bucket, observe })
    expect(await keysOf(counted, 'chain/', { limit: 1 })).toEqual(['chain/10'])
    expect(totals().byKind.list).toBe(1)
  })

  it('counts requests by kind, and what they would cost', async () => {
    const { observe, totals } = createRequestTotals()
    const prices = { put: 5, begin: 5, part: 5, complete: 5, abort: 0, get: 1, head: 1, list: 5, delete: 0 }
    await using store = await openNewStore(server, { observe, prices, partBytes: 8 * MiB })
    await store.putIfAbsent('a', bytesOf('12345'))
    await store.putIfAbsent('a', bytesOf('12345'))
    await store.read('a')
    await store.size('a')
    await writePieces(store, 'big')
    await store.delete('a')
    expect(totals()).toEqual({
      byKind: { put: 2, begin: 1, part: 2, complete: 1, abort: 0, get: 1, head: 1, list: 0, delete: 1 },
      failed: 0,
      repeated: 0,
      sentBytes: 10 + 11 * MiB,
      receivedBytes: 5,
      costUsd: 32,
    })
  })

  describe('new objects', () => {
    it('have the CRC-32C of the whole, also those in parts', async () => {
      const bucket = await newBucket(server)
      await using store = await openNewStore(server, { bucket })
      await store.put('small', bytesOf('123456789'))
      await writePieces(store, 'big')
      expect(await head(bucket, 'small')).toMatchObject({ ChecksumCRC32C: '4waSgw==' })
      const whole = encodeCrc32c(crc32c(Buffer.concat(pieces)))
      expect(await head(bucket, 'big')).toMatchObject({ ChecksumCRC32C: whole, ChecksumType: 'FULL_OBJECT' })
    })

    it('have SHA-256 where it is asked for', async () => {
      const bucket = await newBucket(server)
      await using store = await openNewStore(server, { bucket, checksum: 'sha256', signPayload: true, partBytes: 8 * MiB })
      await store.put('small', bytesOf('abc'))
      await writePieces(store, 'big')
      expect(await head(bucket, 'small')).toMatchObject({ ChecksumSHA256: 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=' })
      expect((await head(bucket, 'big')).ChecksumSHA256).toMatch(/-2$/u)
      expect((await store.read('big')).length).toBe(11 * MiB)
    })

    it('have no checksum where none is asked for', async () => {
      const bucket = await newBucket(server)
      await using store = await openNewStore(server, { bucket, checksum: 'none' })
      await store.put('small', bytesOf('abc'))
      await writePieces(store, 'big')
      expect((await head(bucket, 'small')).ChecksumCRC32C).toBeUndefined()
      expect((await head(bucket, 'big')).ChecksumCRC32C).toBeUndefined()
      expect(textOf(await store.read('small'))).toBe('abc')
    })

    it('are encrypted, classed and tagged as the options say, whole and in parts', async () => {
      const bucket = await newBucket(server)
      const options: Partial<S3StoreOptions> = {
        bucket,
        encryption: { algorithm: 'aws:kms', kmsKeyId: server.kmsKeyName, bucketKey: true },
        storageClass: 'REDUCED_REDUNDANCY',
        tags: { team: 'data + more', 'kept for': 'ten years' },
      }
      await using store = await openNewStore(server, options)
      await store.put('small', bytesOf('abc'))
      await writePieces(store, 'big')
      for (const key of ['small', 'big']) {
        expect(await head(bucket, key)).toMatchObject({
          ServerSideEncryption: 'aws:kms',
          SSEKMSKeyId: expect.stringContaining(server.kmsKeyName),
          StorageClass: 'REDUCED_REDUNDANCY',
        })
        const { TagSet: tags = [] } = await client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: key }))
        expect(tags.toSorted((one, other) => one.Key!.localeCompare(other.Key!))).toEqual([
          { Key: 'kept for', Value: 'ten years' },
          { Key: 'team', Value: 'data + more' },
        ])
      }
      expect(textOf(await store.read('small'))).toBe('abc')
      expect((await store.read('big')).length).toBe(11 * MiB)
    })

    it('are encrypted with keys of the service', async () => {
      const bucket = await newBucket(server)
      await using store = await openNewStore(server, { bucket, encryption: { algorithm: 'AES256' } })
      await store.put('small', bytesOf('abc'))
      expect(await head(bucket, 'small')).toMatchObject({ ServerSideEncryption: 'AES256' })
    })
  })

  describe('damage on the way', () => {
    it.each([true, false])('to what is sent is found by the service, which gets it again (signed: %s)', async (signPayload) => {
      await using damager = await startDamager(server.endpoint)
      await using store = await openNewStore(server, { endpoint: damager.url, retry: quickly, signPayload })
      damager.damage('up', 2)
      expect(await store.putIfAbsent('a', bytesOf('undamaged'))).toBe('created')
      expect(damager.left()).toBe(0)
      damager.damage('up', 0)
      expect(textOf(await store.read('a'))).toBe('undamaged')
    })

    it('to a part is found too', async () => {
      await using damager = await startDamager(server.endpoint)
      const { observe, totals } = createRequestTotals()
      await using store = await openNewStore(server, { endpoint: damager.url, retry: quickly, observe })
      const writer = await store.openWriter('big')
      for (const piece of pieces) await writer.write(piece)
      damager.damage('up', 1)
      expect(await writer.finish()).toBe('created')
      expect(totals().repeated).toBe(1)
      expect(Buffer.compare(await store.read('big'), Buffer.concat(pieces))).toBe(0)
    })

    it('to what is read is found by its checksum, and it is read again', async () => {
      await using damager = await startDamager(server.endpoint)
      await using store = await openNewStore(server, { endpoint: damager.url, retry: quickly })
      await store.put('a', bytesOf('undamaged'))
      damager.damage('down', 2)
      expect(textOf(await store.read('a'))).toBe('undamaged')
      damager.damage('down', 99)
      await expect(store.read('a')).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringContaining('checksum'),
      })
    })
  })

  describe('requests', () => {
    it('say who pays and whose bucket it must be', async () => {
      await using recorder = await startRecorder()
      const options = { endpoint: recorder.url, requesterPays: true, expectedBucketOwner: '123456789012' }
      await using store = await openNewStore(server, options)
      await store.put('a', bytesOf('x'))
      await store.size('a')
      await keysOf(store, '')
      await store.delete('a')
      expect(recorder.recorded.map(({ method }) => method)).toEqual(['PUT', 'HEAD', 'GET', 'DELETE'])
      for (const { headers } of recorder.recorded) {
        expect(headers).toMatchObject({ 'x-amz-request-payer': 'requester', 'x-amz-expected-bucket-owner': '123456789012' })
      }
    })

    it('carry the hash of what they send where they are told to', async () => {
      await using recorder = await startRecorder()
      await using store = await openNewStore(server, { endpoint: recorder.url, signPayload: true })
      await using other = await openNewStore(server, { endpoint: recorder.url })
      await store.put('a', bytesOf('abc'))
      await other.put('a', bytesOf('abc'))
      const sent = recorder.recorded.map(({ headers }) => headers['x-amz-content-sha256'])
      expect(sent).toEqual(['ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'UNSIGNED-PAYLOAD'])
    })

    it('have the bucket in their host where they are told to', async () => {
      await using recorder = await startRecorder()
      // As a proxy the recorder is given whole addresses.
      const options = { endpoint: 'http://s3.example', bucket: 'named', proxy: createSecret(recorder.url) }
      await using store = await openS3Store({ ...optionsOf(server), ...options, pathStyle: false })
      await using other = await openS3Store({ ...optionsOf(server), ...options })
      await store.put('a/b', bytesOf('x'))
      await other.put('a/b', bytesOf('x'))
      expect(recorder.recorded.map(({ path }) => path)).toEqual([
        'http://named.s3.example/a/b?x-id=PutObject',
        'http://s3.example/named/a/b?x-id=PutObject',
      ])
    })

    it('go through a proxy, which is told its password', async () => {
      await using proxy = await startProxy('user', 'pass word')
      const bucket = await newBucket(server)
      const address = `http://user:${encodeURIComponent('pass word')}@127.0.0.1:${proxy.port}`
      await using store = await openNewStore(server, { bucket, proxy: createSecret(address) })
      await store.put('a', bytesOf('by proxy'))
      expect(textOf(await store.read('a'))).toBe('by proxy')
      expect(proxy.asked).toEqual([
        `PUT ${server.endpoint}/${bucket}/a?x-id=PutObject`,
        `GET ${server.endpoint}/${bucket}/a?x-id=GetObject`,
      ])
    })

    it('are told that the proxy refuses them, without its password', async () => {
      await using proxy = await startProxy('user', 'password')
      const options = { proxy: createSecret(`http://user:not-the-word@127.0.0.1:${proxy.port}`), retry: once }
      await using plain = await openNewStore(server, options)
      const { ca: _, ...reached } = optionsOf(server)
      await using tunnelled = await openS3Store({ ...reached, ...options, endpoint: 'https://s3.example', bucket: 'any' })
      for (const store of [plain, tunnelled]) {
        const error: unknown = await store.size('a').catch((caught: unknown) => caught)
        expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('proxy') })
        expect(inspect(error, { depth: 20 })).not.toContain('not-the-word')
      }
    })

    it('that get half an answer are repeated', async () => {
      const half = createServer((_, response) => {
        response.writeHead(200, { 'content-length': 1000 }).write('the beginning')
      })
      await new Promise<void>((listening) => {
        half.listen(0, '127.0.0.1', listening)
      })
      const { observe, totals } = createRequestTotals()
      const endpoint = `http://127.0.0.1:${(half.address() as AddressInfo).port}`
      const retry = { ...quickly, maxAttempts: 2 }
      await using store = await openNewStore(server, { endpoint, retry, timeoutMs: 200, observe })
      await expect(store.read('a')).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringContaining('200 ms'),
      })
      expect(totals()).toMatchObject({ failed: 2, repeated: 1 })
      half.closeAllConnections()
      half.close()
    })

    it('do not go through the proxy of the environment where the endpoint is on this machine', async () => {
      vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:1')
      await using store = await openNewStore(server, { retry: once })
      await store.put('a', bytesOf('x'))
      expect(await store.size('a')).toBe(1)
    })
  })

  describe('credentials', () => {
    it('come from the environment', async () => {
      const { credentials: _, region: __, ...options } = optionsOf(server)
      vi.stubEnv('AWS_ACCESS_KEY_ID', server.accessKeyId)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.secretAccessKey)
      vi.stubEnv('AWS_REGION', server.region)
      await using store = await openS3Store({ ...options, bucket: await newBucket(server) })
      await store.put('a', bytesOf('x'))
      expect(await keysOf(store, '')).toEqual(['a'])
    })

    it('and region come from a profile', async () => {
      await using folder = await temporaryFolder()
      const secrets = join(folder.path, 'credentials')
      await writeFile(
        secrets,
        `[archive]\naws_access_key_id = ${server.accessKeyId}\naws_secret_access_key = ${server.secretAccessKey}\n`,
      )
      await writeFile(join(folder.path, 'config'), `[profile archive]\nregion = ${server.region}\n`)
      vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', secrets)
      vi.stubEnv('AWS_CONFIG_FILE', join(folder.path, 'config'))
      const { credentials: _, region: __, ...options } = optionsOf(server)
      await using store = await openS3Store({ ...options, bucket: await newBucket(server), profile: 'archive' })
      await store.put('a', bytesOf('x'))
      expect(await keysOf(store, '')).toEqual(['a'])
    })

    it('come for the token of a web identity', async () => {
      await using sts = await startRecorder(
        () => `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
          <Credentials><AccessKeyId>${server.accessKeyId}</AccessKeyId><SecretAccessKey>${server.secretAccessKey}</SecretAccessKey>
          <SessionToken></SessionToken><Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration></Credentials>
          </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
      )
      await using folder = await temporaryFolder()
      await mkdir(folder.path, { recursive: true })
      await writeFile(join(folder.path, 'token'), 'a signed token')
      vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url)
      vi.stubEnv('AWS_REGION', server.region)
      vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', join(folder.path, 'token'))
      vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/archiver')
      const { credentials: _, ...options } = optionsOf(server)
      await using store = await openS3Store({ ...options, bucket: await newBucket(server) })
      await store.put('a', bytesOf('x'))
      expect(await keysOf(store, '')).toEqual(['a'])
      expect(sts.recorded[0]?.body).toContain('WebIdentityToken=a%20signed%20token')
    })

    it('that are nowhere are told at once', async () => {
      vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
      vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere/credentials')
      vi.stubEnv('AWS_CONFIG_FILE', '/nowhere/config')
      const { credentials: _, ...options } = optionsOf(server)
      await expect(openS3Store({ ...options, bucket: 'any' })).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    })

    it('that are wrong are refused, and not asked again', async () => {
      const { observe, totals } = createRequestTotals()
      const wrong = { accessKeyId: server.accessKeyId, secretAccessKey: createSecret('a wrong secret') }
      await using store = await openNewStore(server, { credentials: wrong, observe })
      const error: unknown = await store.put('a', bytesOf('x')).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('secret access key') })
      expect(String(error)).not.toContain('a wrong secret')
      await expect(store.size('a')).rejects.toMatchObject({ code: 'STORE_REFUSED' })
      expect(totals()).toMatchObject({ byKind: { put: 1, head: 1 }, repeated: 0 })
    })
  })

  it('tells of a bucket that is not there', async () => {
    await using store = await openNewStore(server, { bucket: 'not-there' })
    const refused = { code: 'STORE_REFUSED', message: expect.stringContaining('no such bucket') }
    await expect(store.put('a', bytesOf('x'))).rejects.toMatchObject(refused)
    await expect(store.read('a')).rejects.toMatchObject(refused)
    await expect(keysOf(store, '')).rejects.toMatchObject(refused)
  })

  it('tells of a region that is not the bucket’s', async () => {
    await using store = await openNewStore(server, { region: 'eu-west-1' })
    await expect(keysOf(store, '')).rejects.toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('region') })
  })

  it('tells of a service that is not there', async () => {
    const { url, [Symbol.asyncDispose]: stop } = await startRecorder()
    await stop()
    await using store = await openNewStore(server, { endpoint: url, retry: once })
    await expect(store.size('a')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('endpoint'),
    })
  })

  it.each([
    { options: { endpoint: 'minio:9000' }, code: 'CONFIG_INVALID' },
    { options: { partBytes: 1024 }, code: 'CONFIG_INVALID' },
    { options: { prefix: '../' }, code: 'KEY_INVALID' },
  ])('is not opened with $options', async ({ options, code }) => {
    await expect(openS3Store({ ...optionsOf(server), bucket: 'any', ...options })).rejects.toMatchObject({ code })
  })
})

describe.skipIf(serverMissing('minio') !== undefined)('a store in MinIO over TLS', { timeout: 60_000 }, () => {
  let server: Minio
  beforeAll(async () => {
    server = await startMinio({ tls: true })
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())

  it('is reached where its authority is trusted, also through a proxy', async () => {
    await using proxy = await startProxy('user', 'password')
    await using store = await openNewStore(server, { proxy: createSecret(`http://user:password@127.0.0.1:${proxy.port}`) })
    await writePieces(store, 'big')
    expect(Buffer.compare(await store.read('big'), Buffer.concat(pieces))).toBe(0)
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${server.endpoint.slice('https://'.length)}`]))
  })

  it('is refused where its authority is not known', async () => {
    const { ca: _, ...options } = optionsOf(server)
    await using store = await openS3Store({ ...options, bucket: await newBucket(server) })
    await expect(store.size('a')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('certificate'),
    })
  })
})

describe.skipIf(serverMissing('versitygw') !== undefined)('a listing of very many keys', { timeout: 60_000 }, () => {
  const COUNT = 30_000
  const FOLDERS = 30
  let server: S3Server
  let bucket: string
  const keys = Array.from(
    { length: COUNT },
    (_, at) => `t/${String(at % FOLDERS).padStart(2, '0')}/${String(at).padStart(8, '0')}`,
  ).sort()

  beforeAll(async () => {
    server = await startVersitygw()
    bucket = await newBucket(server)
    // Its objects are files; so many requests would take a minute.
    const root = join(server.folder, 'data', bucket)
    for (let folder = 0; folder < FOLDERS; folder++)
      await mkdir(join(root, 't', String(folder).padStart(2, '0')), { recursive: true })
    for (let at = 0; at < COUNT; at += 500)
      await Promise.all(keys.slice(at, at + 500).map((key) => writeFile(join(root, key), 'x')))
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())

  it('is read in pages of a thousand, from anywhere', async () => {
    const { observe, totals } = createRequestTotals()
    await using store = await openNewStore(server, { bucket, observe })
    expect(await keysOf(store, '')).toEqual(keys)
    expect(totals().byKind.list).toBe(COUNT / 1000)
    const after = keys[17_499]!
    expect(await keysOf(store, 't/', { after, limit: 2500 })).toEqual(keys.slice(17_500, 20_000))
    expect(totals().byKind.list).toBe(COUNT / 1000 + 3)
    expect(await Array.fromAsync(store.folders('t/'))).toHaveLength(FOLDERS)
    expect(totals().byKind.list).toBe(COUNT / 1000 + 4)
  })
})
