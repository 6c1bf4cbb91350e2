import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as requestHttp, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { GcsStoreOptions } from '../../../src/adapters/gcs/options.ts'
import { openGcsStore } from '../../../src/adapters/gcs/store.ts'
import { createSecret } from '../../../src/secret.ts'
import { createRequestTotals, type RequestObservation } from '../../../src/store/requests.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { newCertificates } from '../../servers/certificates.ts'
import { type FakeGcs, startFakeGcs } from '../../servers/fake-gcs.ts'
import { serverMissing } from '../../servers/missing.ts'
import { startWatchingProxy, type WatchingProxy } from '../watching-proxy.ts'
import { newBucket, PART_BYTES } from './server.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const anonymous = { kind: 'anonymous' } as const
const hasty = { ...standardRetry, maxAttempts: 2, firstDelayMs: 1 }

describe.skipIf(serverMissing('fake-gcs') !== undefined)('a store in Google Cloud Storage', () => {
  let server: FakeGcs
  let watching: WatchingProxy
  let bucket: string
  let folder: string

  beforeAll(async () => {
    server = await startFakeGcs({ backend: 'memory' })
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())
  beforeEach(async () => {
    bucket = await newBucket(server)
    watching = await startWatchingProxy(server.apiEndpoint)
    folder = await mkdtemp(join(tmpdir(), 'millpond-gcs-'))
  })
  afterEach(async () => {
    await watching.stop()
    await rm(folder, { recursive: true })
  })

  const open = (options: Partial<GcsStoreOptions> = {}) =>
    openGcsStore({ bucket, endpoint: watching.url, credentials: anonymous, partBytes: PART_BYTES, retry: hasty, ...options })
  const resource = async (key: string) => {
    const response = await fetch(`${server.apiEndpoint}/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}`)
    return (await response.json()) as { storageClass: string; metadata: Record<string, string>; contentType: string }
  }

  it('gives new objects its storage class, key and metadata, be they sent whole or in parts', async () => {
    await using store = await open({ storageClass: 'NEARLINE', kmsKeyName: 'projects/p/keys/k', metadata: { team: 'mill' } })
    await store.putIfAbsent('small', bytesOf('x'))
    const writer = await store.openWriter('large')
    await writer.write(new Uint8Array(PART_BYTES + 1))
    await writer.finish()
    for (const key of ['small', 'large']) {
      expect(await resource(key)).toMatchObject({ storageClass: 'NEARLINE', metadata: { team: 'mill' } })
    }
    const made = watching.requests().filter(({ method }) => method === 'POST')
    expect(made.map(({ url }) => url.searchParams.get('kmsKeyName'))).toEqual(['projects/p/keys/k', 'projects/p/keys/k'])
  })

  it('says with each request who pays', async () => {
    await using store = await open({ userProject: 'payer' })
    await store.put('a', bytesOf('x'))
    await store.read('a')
    await store.size('a')
    await Array.fromAsync(store.list(''))
    await Array.fromAsync(store.folders(''))
    await store.delete('a')
    expect(watching.requests().map(({ url }) => url.searchParams.get('userProject'))).toEqual(
      Array.from({ length: 6 }, () => 'payer'),
    )
  })

  it('goes through its proxy', async () => {
    await using store = await open({ endpoint: server.apiEndpoint, proxy: createSecret(watching.url) })
    await store.put('a', bytesOf('x'))
    expect(watching.requests().map(({ url }) => url.origin)).toEqual([server.apiEndpoint])
  })

  it('trusts the authority that it is told of, and no other', async () => {
    const { ca, server: identity } = await newCertificates()
    const front = createTlsServer({ cert: identity.certificate, key: identity.key }, (incoming, response) => {
      const { method, headers, url } = incoming
      const onward = requestHttp(server.apiEndpoint + (url ?? ''), { method: method ?? 'GET', headers, agent: false })
      onward.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      incoming.pipe(onward)
    })
    await new Promise<void>((listening) => front.listen(0, '127.0.0.1', listening))
    try {
      const endpoint = `https://127.0.0.1:${(front.address() as AddressInfo).port}`
      await using store = await open({ endpoint, ca })
      expect(await store.putIfAbsent('a', bytesOf('x'))).toBe('created')
      await using stranger = await open({ endpoint })
      await expect(stranger.size('a')).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.stringMatching(/certificate/u) as string,
      })
    } finally {
      front.closeAllConnections()
      front.close()
    }
  })

  it('lies in its folder of the bucket', async () => {
    await using store = await open({ prefix: 'archive/prod/' })
    await store.put('a', bytesOf('x'))
    expect(store.name).toBe(`gs://${bucket}/archive/prod/`)
    expect(await resource('archive/prod/a')).toMatchObject({ contentType: 'application/octet-stream' })
    expect(await Array.fromAsync(store.list(''), ({ key }) => key)).toEqual(['a'])
  })

  it('sends again what was damaged on its way', async () => {
    const totals = createRequestTotals()
    await using store = await open({ observe: totals.observe })
    watching.damageNext(({ method }) => method === 'POST')
    const bytes = new Uint8Array(50_000).fill(7)
    expect(await store.putIfAbsent('a', bytes)).toBe('created')
    expect(totals.totals()).toMatchObject({ failed: 1, repeated: 1 })
    expect(Buffer.compare(await store.read('a'), bytes)).toBe(0)
  })

  it('tells of each request its kind, bytes and cost', async () => {
    const seen: RequestObservation[] = []
    const prices = { put: 5, begin: 0, part: 0, complete: 5, abort: 0, get: 1, head: 1, list: 5, delete: 0 }
    await using store = await open({ prices, observe: (observation) => seen.push(observation) })
    await store.put('a', bytesOf('12345'))
    await store.read('a', { start: 1, end: 3 })
    await store.size('a')
    await Array.fromAsync(store.list(''))
    await store.delete('a')
    const told = seen.map(({ kind, sentBytes, receivedBytes, outcome, costUsd }) => [
      kind,
      sentBytes,
      receivedBytes,
      outcome,
      costUsd,
    ])
    expect(told).toEqual([
      ['put', 5, 0, 'ok', 5],
      ['get', 0, 2, 'ok', 1],
      ['head', 0, 0, 'ok', 1],
      ['list', 0, 0, 'ok', 5],
      ['delete', 0, 0, 'ok', 0],
    ])
  })

  it.each([
    {
      what: 'a bucket that is not there',
      options: { bucket: 'no-such-bucket' },
      code: 'STORE_REFUSED',
      says: /check the name of the bucket/u,
    },
    { what: 'nobody who listens', options: { endpoint: 'http://127.0.0.1:1' }, code: 'STORE_UNAVAILABLE', says: /ECONNREFUSED/u },
  ])('says what to do about $what', async ({ options, code, says }) => {
    await using store = await open(options)
    const failed = expect.objectContaining({ code, message: expect.stringMatching(says) as string }) as Error
    await expect(Array.fromAsync(store.list(''))).rejects.toEqual(failed)
    await expect(store.putIfAbsent('a', bytesOf('x'))).rejects.toEqual(failed)
  })

  it('is not opened with an endpoint that is no address', async () => {
    await expect(open({ endpoint: 'ftp://somewhere' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(open({ prefix: 'no-folder' })).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })

  describe('asks as', () => {
    const TOKEN = 'a-token-of-the-federation'
    let authority: Server
    let answer: { status: number; body: unknown }
    let asked: string[]
    let settings: string

    // What stands in for Google's security token service, to which a workload's own token is shown.
    beforeEach(async () => {
      asked = []
      answer = {
        status: 200,
        body: {
          access_token: TOKEN,
          issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          token_type: 'Bearer',
          expires_in: 3600,
        },
      }
      authority = createServer((request, response) => {
        void text(request).then((body) => {
          asked.push(new URLSearchParams(body).get('subject_token') ?? '')
          response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body))
        })
      })
      await new Promise<void>((listening) => authority.listen(0, '127.0.0.1', listening))
      await writeFile(join(folder, 'token'), 'the-token-of-the-workload')
      settings = JSON.stringify({
        type: 'external_account',
        audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `http://127.0.0.1:${(authority.address() as AddressInfo).port}/v1/token`,
        credential_source: { file: join(folder, 'token') },
      })
      await writeFile(join(folder, 'workload.json'), settings)
    })
    afterEach(() => {
      delete process.env['GOOGLE_APPLICATION_CREDENTIALS']
      delete process.env['CLOUDSDK_CONFIG']
      delete process.env['METADATA_SERVER_DETECTION']
      authority.close()
    })

    it.each([
      { kind: 'file', because: 'a file names it' },
      { kind: 'json', because: 'the configuration names it' },
      { kind: 'default', because: 'the environment names it' },
    ] as const)('the workload where $because', async ({ kind }) => {
      const path = join(folder, 'workload.json')
      if (kind === 'default') process.env['GOOGLE_APPLICATION_CREDENTIALS'] = path
      const credentials = {
        file: { kind: 'file', path },
        json: { kind: 'json', json: createSecret(settings) },
        default: { kind: 'default' },
      } as const
      await using store = await open({ credentials: credentials[kind] })
      await store.put('a', bytesOf('x'))
      expect(await store.size('a')).toBe(1)
      expect(watching.requests().map(({ headers }) => headers.authorization)).toEqual([`Bearer ${TOKEN}`, `Bearer ${TOKEN}`])
      expect(asked).toEqual(['the-token-of-the-workload'])
    })

    it('nobody where the authority refuses, and says so without the token', async () => {
      answer = { status: 400, body: { error: 'invalid_grant', error_description: 'the token has expired' } }
      await using store = await open({ credentials: { kind: 'json', json: createSecret(settings) } })
      const failed = store.put('a', bytesOf('x'))
      await expect(failed).rejects.toMatchObject({ code: 'STORE_REFUSED', message: expect.stringMatching(/expired/u) as string })
      const told = await failed.catch((error: unknown) => inspect(error, { depth: 10, showHidden: true }))
      expect(told).not.toMatch(/the-token-of/u)
      expect(watching.requests()).toEqual([])
    })

    it('nobody where the authority does not answer in time', async () => {
      authority.removeAllListeners('request')
      await using store = await open({ credentials: { kind: 'json', json: createSecret(settings) }, timeoutMs: 100 })
      await expect(store.put('a', bytesOf('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      authority.closeAllConnections()
    })

    it('nobody where there are no credentials', async () => {
      process.env['METADATA_SERVER_DETECTION'] = 'none'
      process.env['CLOUDSDK_CONFIG'] = folder
      await using store = await open({ credentials: { kind: 'default' } })
      await expect(store.put('a', bytesOf('x'))).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    })

    it('nobody with what is no key, which is not told', async () => {
      const opening = open({ credentials: { kind: 'json', json: createSecret('not-json-but-secret') } })
      await expect(opening).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.not.stringMatching(/not-json/u) as string,
      })
    })
  })
})
