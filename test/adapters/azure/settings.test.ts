import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import {
  type BlobClient,
  BlobServiceClient,
  ContainerSASPermissions,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
  AccountSASPermissions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AzureStoreOptions } from '../../../src/adapters/azure/options.ts'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'
import { createSecret } from '../../../src/secret.ts'
import { createRequestTotals, type RequestObservation } from '../../../src/store/requests.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import { type Azurite, startAzurite } from '../../servers/azurite.ts'
import { serverMissing } from '../../servers/missing.ts'
import { startWatchingProxy, type WatchingProxy } from '../watching-proxy.ts'
import { newContainer, openNewStore, optionsOf, PART_BYTES } from './server.ts'

const HOUR_MS = 3_600_000
const bytesOf = (text: string) => new TextEncoder().encode(text)
const hasty = { ...standardRetry, maxAttempts: 2, firstDelayMs: 1 }

describe.skipIf(serverMissing('azurite') !== undefined)('a store in Azure Blob Storage', () => {
  let server: Azurite
  let watching: WatchingProxy
  let container: string

  beforeAll(async () => {
    server = await startAzurite()
  })
  afterAll(() => server?.stop())
  beforeEach(async () => {
    container = await newContainer(server)
    watching = await startWatchingProxy(server.endpoint)
  })
  afterEach(() => watching.stop())

  const watchedEndpoint = () => watching.url + new URL(server.endpoint).pathname
  const open = (options: Partial<AzureStoreOptions> = {}) =>
    openAzureStore({ ...optionsOf(server), container, endpoint: watchedEndpoint(), retry: hasty, ...options })
  const blob = (key: string): BlobClient =>
    BlobServiceClient.fromConnectionString(server.connectionString).getContainerClient(container).getBlobClient(key)

  it('gives new objects its tier, tags and metadata, be they sent whole or in parts', async () => {
    await using store = await open({ accessTier: 'Cool', tags: { team: 'mill' }, metadata: { owner: 'pond' } })
    await store.putIfAbsent('small', bytesOf('x'))
    const writer = await store.openWriter('large')
    await writer.write(new Uint8Array(PART_BYTES + 1))
    await writer.finish()
    for (const key of ['small', 'large']) {
      expect(await blob(key).getProperties()).toMatchObject({ accessTier: 'Cool', metadata: { owner: 'pond' } })
      expect((await blob(key).getTags()).tags).toEqual({ team: 'mill' })
    }
  })

  it('sends its encryption scope with what it writes', async () => {
    await using store = await open({ encryptionScope: 'ours' })
    await store.put('a', bytesOf('x'))
    const writer = await store.openWriter('b')
    await writer.write(new Uint8Array(PART_BYTES + 1))
    await writer.finish()
    const scopes = watching.requests().map(({ headers }) => headers['x-ms-encryption-scope'])
    expect(scopes).toEqual(['ours', 'ours', 'ours', 'ours'])
  })

  it('sends no key of its own where others could read it', async () => {
    const customerKey = createSecret(randomBytes(32).toString('base64'))
    await expect(open({ customerKey })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('goes through its proxy', async () => {
    await using store = await open({ endpoint: server.endpoint, proxy: createSecret(watching.url) })
    await store.put('a', bytesOf('x'))
    expect(watching.requests().map(({ url }) => url.origin)).toEqual([new URL(server.endpoint).origin])
  })

  it('lies in its folder of the container', async () => {
    await using store = await open({ prefix: 'archive/prod/' })
    await store.put('a', bytesOf('x'))
    expect(store.name).toBe(`${watchedEndpoint()}/${container}/archive/prod/`)
    expect(await blob('archive/prod/a').exists()).toBe(true)
    expect(await Array.fromAsync(store.list(''), ({ key }) => key)).toEqual(['a'])
  })

  it('sends again what was damaged on its way, whole or in parts', async () => {
    const totals = createRequestTotals()
    await using store = await open({ observe: totals.observe })
    const bytes = new Uint8Array(2 * PART_BYTES).fill(7)
    watching.damageNext(({ method }) => method === 'PUT')
    expect(await store.putIfAbsent('a', bytes)).toBe('created')
    watching.damageNext(({ url }) => url.searchParams.get('comp') === 'block')
    const writer = await store.openWriter('b')
    await writer.write(bytes)
    expect(await writer.finish()).toBe('created')
    expect(totals.totals()).toMatchObject({ failed: 2, repeated: 2 })
    for (const key of ['a', 'b']) expect(Buffer.compare(await store.read(key), bytes)).toBe(0)
  })

  it('tells of an object that is not what it was stored as', async () => {
    await using store = await open()
    await store.put('a', bytesOf('as it was'))
    const { metadata = {} } = await blob('a').getProperties()
    await blob('a').setMetadata({ ...metadata, millpond_crc32c: '00000000' })
    await expect(store.read('a')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/CRC-32C/u) as string,
    })
  })

  it('tells of each request its kind, bytes and cost', async () => {
    const seen: RequestObservation[] = []
    const prices = { put: 5, begin: 0, part: 5, complete: 5, abort: 0, get: 1, head: 1, list: 5, delete: 0 }
    await using store = await open({ prices, observe: (observation) => seen.push(observation) })
    await store.put('a', bytesOf('12345'))
    await store.read('a', { start: 1, end: 3 })
    await store.size('a')
    await Array.fromAsync(store.list(''))
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
      // Whether folders are objects is asked before the first listing.
      ['head', 0, 0, 'ok', 1],
      ['list', 0, 0, 'ok', 5],
      ['list', 0, 0, 'ok', 5],
      ['delete', 0, 0, 'ok', 0],
    ])
  })

  it.each([
    {
      what: 'a container that is not there',
      options: { container: 'no-such-container' },
      code: 'STORE_REFUSED',
      says: /check the name of the container/u,
    },
    {
      what: 'nobody who listens',
      options: { endpoint: 'http://127.0.0.1:1/millpond' },
      code: 'STORE_UNAVAILABLE',
      says: /ECONNREFUSED/u,
    },
    {
      what: 'a wrong key',
      options: {
        credentials: { kind: 'key', account: 'millpond', key: createSecret(randomBytes(64).toString('base64')) } as const,
      },
      code: 'STORE_REFUSED',
      says: /check the credentials/u,
    },
  ])('says what to do about $what', async ({ options, code, says }) => {
    await using store = await open(options)
    const failed = expect.objectContaining({ code, message: expect.stringMatching(says) as string }) as Error
    await expect(Array.fromAsync(store.list(''))).rejects.toEqual(failed)
    await expect(store.putIfAbsent('a', bytesOf('x'))).rejects.toEqual(failed)
    await expect(store.size('a')).rejects.toMatchObject({ code })
  })

  describe('asks by', () => {
    const sharedKey = () => new StorageSharedKeyCredential(server.accountName, server.accountKey)
    const containerToken = (permissions: string) =>
      generateBlobSASQueryParameters(
        {
          containerName: container,
          permissions: ContainerSASPermissions.parse(permissions),
          expiresOn: new Date(Date.now() + HOUR_MS),
        },
        sharedKey(),
      ).toString()
    const accountToken = () =>
      generateAccountSASQueryParameters(
        {
          expiresOn: new Date(Date.now() + HOUR_MS),
          permissions: AccountSASPermissions.parse('rwdlc'),
          resourceTypes: 'sco',
          services: 'b',
        },
        sharedKey(),
      ).toString()
    const ways: readonly { way: string; newCredentials: () => NonNullable<AzureStoreOptions['credentials']> }[] = [
      {
        way: 'a connection string',
        newCredentials: () => ({ kind: 'connection-string', connectionString: createSecret(server.connectionString) }),
      },
      {
        way: 'a connection string with a signature',
        newCredentials: () => {
          const connectionString = createSecret(`BlobEndpoint=${server.endpoint};SharedAccessSignature=${accountToken()}`)
          return { kind: 'connection-string', connectionString }
        },
      },
      {
        way: 'a signature of the container',
        newCredentials: () => ({ kind: 'sas', token: createSecret(`?${containerToken('rwdlc')}`) }),
      },
      {
        way: 'the address of the container with a signature',
        newCredentials: () => ({
          kind: 'sas-url',
          url: createSecret(`${server.endpoint}/${container}?${containerToken('rwdlc')}`),
        }),
      },
      {
        way: 'the address of the account with a signature',
        newCredentials: () => ({ kind: 'sas-url', url: createSecret(`${server.endpoint}?${accountToken()}`) }),
      },
    ]

    it.each(ways)('$way', async ({ newCredentials }) => {
      await using store = await open({ credentials: newCredentials() })
      expect(await store.putIfAbsent('a/b', bytesOf('x'))).toBe('created')
      expect(await store.putIfAbsent('a/b', bytesOf('y'))).toBe('exists')
      expect(await Array.fromAsync(store.list(''), ({ key }) => key)).toEqual(['a/b'])
      expect(store.name).not.toMatch(/sig=/u)
      await store.delete('a/b')
    })

    it('a signature that does not give enough, which it says without the signature', async () => {
      await using store = await open({ credentials: { kind: 'sas', token: createSecret(containerToken('l')) } })
      expect(await Array.fromAsync(store.list(''))).toEqual([])
      const writing = store.putIfAbsent('a', bytesOf('x'))
      await expect(writing).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.stringMatching(/Storage Blob Data Contributor/u) as string,
      })
      const told = await writing.catch((error: unknown) => inspect(error, { depth: 10, showHidden: true }))
      expect(told).not.toMatch(/sig=/u)
    })

    it.each([
      { kind: 'connection-string', connectionString: createSecret('not-a-connection-string') },
      { kind: 'sas-url', url: createSecret('not-an-address') },
    ] as const)('nothing that cannot be read, which is not told: $kind', async (credentials) => {
      const refused = { code: 'STORE_REFUSED', message: expect.not.stringMatching(/not-a/u) as string }
      await expect(open({ credentials })).rejects.toMatchObject(refused)
    })

    it('nothing where nobody says which account', async () => {
      const nowhere = openAzureStore({ container, credentials: { kind: 'sas', token: createSecret('sig=x') } })
      await expect(nowhere).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    })
  })
})

describe.skipIf(serverMissing('azurite') !== undefined)('a store in Azure Blob Storage by https', () => {
  const variables = ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER', 'AZURE_CLIENT_ID', 'AZURE_TOKEN_CREDENTIALS']
  let server: Azurite
  let asked: IncomingMessage[]
  let status: number
  const close: (() => void)[] = []

  /** A token as Microsoft Entra makes them; only the signature is nobody's. */
  const newToken = (expiresOn: number): string => {
    const claims = {
      aud: 'https://storage.azure.com',
      iss: 'https://sts.windows.net/tenant/',
      nbf: expiresOn - 7200,
      iat: expiresOn - 7200,
      exp: expiresOn,
    }
    return [{ alg: 'RS256', typ: 'JWT' }, claims, {}]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
  }

  beforeAll(async () => {
    server = await startAzurite({ tls: true })
  })
  afterAll(() => server?.stop())
  // What stands in for the identity endpoint of App Service and Container Apps.
  beforeEach(async () => {
    asked = []
    status = 200
    const endpoint = createServer((request, response) => {
      asked.push(request)
      const expiresOn = Math.floor(Date.now() / 1000) + 3600
      const body = {
        access_token: newToken(expiresOn),
        expires_on: String(expiresOn),
        resource: 'https://storage.azure.com',
        token_type: 'Bearer',
      }
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify(status === 200 ? body : { error: 'invalid_request' }))
    })
    await new Promise<void>((listening) => endpoint.listen(0, '127.0.0.1', listening))
    close.push(() => endpoint.close())
    process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/msi/token`
    process.env['IDENTITY_HEADER'] = 'a-header'
    process.env['AZURE_TOKEN_CREDENTIALS'] = 'ManagedIdentityCredential'
  })
  afterEach(() => {
    for (const name of variables) delete process.env[name]
    for (const end of close.splice(0)) end()
  })

  it('gets a token of the machine once and uses it', async () => {
    const container = await newContainer(server)
    const { endpoint, ca } = server
    await using store = await openAzureStore({ container, endpoint, ca: ca!, credentials: { kind: 'default' } })
    expect(await store.putIfAbsent('a', bytesOf('x'))).toBe('created')
    expect(await store.size('a')).toBe(1)
    expect(asked.map(({ headers }) => headers['x-identity-header'])).toEqual(['a-header'])
  })

  it('sends a key of its own, which a service that knows none refuses', async () => {
    const customerKey = createSecret(randomBytes(32).toString('base64'))
    await using store = await openNewStore(server, { customerKey })
    const refused = { code: 'STORE_REFUSED', details: expect.objectContaining({ reason: 'FeatureNotSupported' }) as object }
    await expect(store.putIfAbsent('a', bytesOf('x'))).rejects.toMatchObject(refused)
    await expect(store.read('a')).rejects.toMatchObject(refused)
    await expect(store.size('a')).rejects.toMatchObject(refused)
  })

  it('is refused where the machine has no identity', async () => {
    status = 400
    const { endpoint, ca } = server
    await using store = await openAzureStore({ container: 'any', endpoint, ca: ca!, retry: hasty })
    await expect(store.size('a')).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  })

  it('does not talk to a server whose certificate nobody it trusts has signed', async () => {
    const { ca: _, ...options } = optionsOf(server)
    await using store = await openAzureStore({ ...options, container: 'any', retry: hasty })
    await expect(store.size('a')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringMatching(/certificate/u) as string,
    })
  })
})
