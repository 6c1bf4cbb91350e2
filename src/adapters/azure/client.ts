import type * as Sdk from '@azure/storage-blob'
import type { TokenCredential } from '@azure/identity'
import type { ContainerClient, StoragePipelineOptions } from '@azure/storage-blob'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { createRequests } from '../../store/requests.ts'
import type { RequestPrices, Requests } from '../../store/requests.ts'
import { standardRetry } from '../../store/retry.ts'
import type { RetryPolicy } from '../../store/retry.ts'
import { azureStoreError } from './errors.ts'
import type { AzureCredentials, AzureStoreOptions } from './options.ts'

const DEFAULT_TIMEOUT_MS = 15_000
const DEFAULT_MAX_CONCURRENT = 64
/** Long enough for a request that hangs to be given up and repeated. */
const RETRY: RetryPolicy = { ...standardRetry, maxAttempts: 10, budgetMs: 60_000 }

/** Operations in the hot tier with local redundancy, East US (azure.microsoft.com/pricing/details/storage/blobs, read 2026-11). */
const WRITE_USD = 0.05 / 10_000
const READ_USD = 0.004 / 10_000
const listPrices: RequestPrices = {
  put: WRITE_USD,
  begin: 0,
  part: WRITE_USD,
  complete: WRITE_USD,
  abort: 0,
  get: READ_USD,
  head: READ_USD,
  list: WRITE_USD,
  delete: 0,
}

/** Services of others, and emulators, are not paid by the request. */
const noPrices: RequestPrices = { put: 0, begin: 0, part: 0, complete: 0, abort: 0, get: 0, head: 0, list: 0, delete: 0 }

/** One container, and how requests to it are made. */
export interface AzureClient {
  readonly container: ContainerClient
  /** The container's address, without a signature, for messages. */
  readonly place: string
  readonly requests: Requests
}

/**
 * A client for one container, by the official SDK. It repeats nothing by itself: that is for `requests`.
 * @throws MillpondError `DEPENDENCY_MISSING` without the SDK, `CONFIG_INVALID` without an account, `STORE_REFUSED` where the credentials
 * cannot be read.
 */
export async function openAzureClient(options: AzureStoreOptions): Promise<AzureClient> {
  const container = await openContainer(options)
  const { origin, pathname } = new URL(container.url)
  const place = `${origin}${pathname}`
  const requests = createRequests({
    policy: options.retry ?? RETRY,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxConcurrent: options.maxConcurrent ?? DEFAULT_MAX_CONCURRENT,
    explain: (error, terms) => azureStoreError(error, terms, place),
    prices: options.prices ?? (isAzure(container.url) ? listPrices : noPrices),
    observe: options.observe,
  })
  return { container, place, requests }
}

/** Azure's own clouds: the public one, and those of governments and of China. */
const isAzure = (url: string): boolean =>
  /\.blob\.(?:core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|storage\.azure\.net)$/u.test(new URL(url).hostname)

async function openContainer(options: AzureStoreOptions): Promise<ContainerClient> {
  const { container, credentials = { kind: 'default' } } = options
  const sdk = await imported('@azure/storage-blob', () => import('@azure/storage-blob'))
  const identity = credentials.kind === 'default' ? await ownIdentity(credentials) : undefined
  try {
    return createContainer(sdk, options, identity)
  } catch (error) {
    if (isMillpondError(error)) throw error
    // The SDK's own message may quote what it could not read.
    const message = `the credentials for the container ${container} cannot be read (${credentials.kind})`
    throw new MillpondError('STORE_REFUSED', message)
  }
}

function createContainer(sdk: typeof Sdk, options: AzureStoreOptions, identity: TokenCredential | undefined): ContainerClient {
  const { container, credentials } = options
  const pipeline = pipelineOptions(options)
  const nobody = new sdk.AnonymousCredential()
  const inAccount = (url: string, credential: Sdk.StorageSharedKeyCredential | Sdk.AnonymousCredential | TokenCredential) =>
    new sdk.BlobServiceClient(url, credential, pipeline).getContainerClient(container)

  if (credentials?.kind === 'connection-string') {
    const service = sdk.BlobServiceClient.fromConnectionString(credentials.connectionString.reveal(), pipeline)
    return service.getContainerClient(container)
  }
  if (credentials?.kind === 'sas-url') {
    const { href, pathname } = new URL(credentials.url.reveal())
    const isOfContainer = pathname.split('/').at(-1) === container
    return isOfContainer ? new sdk.ContainerClient(href, nobody, pipeline) : inAccount(href, nobody)
  }
  if (credentials?.kind === 'sas') {
    const url = new URL(endpointOf(options))
    url.search = credentials.token.reveal().replace(/^\?/u, '')
    return inAccount(url.href, nobody)
  }
  if (credentials?.kind === 'key') {
    const endpoint = options.endpoint ?? `https://${credentials.account}.blob.core.windows.net`
    return inAccount(endpoint, new sdk.StorageSharedKeyCredential(credentials.account, credentials.key.reveal()))
  }
  return inAccount(endpointOf(options), identity ?? nobody)
}

function endpointOf({ endpoint, container }: AzureStoreOptions): string {
  if (endpoint !== undefined) return endpoint
  throw new MillpondError('CONFIG_INVALID', `the container ${container} needs its account's address (endpoint)`)
}

async function ownIdentity({ clientId }: Extract<AzureCredentials, { kind: 'default' }>) {
  const { DefaultAzureCredential } = await imported('@azure/identity', () => import('@azure/identity'))
  return new DefaultAzureCredential(clientId === undefined ? {} : { managedIdentityClientId: clientId })
}

/** The SDK hands these on to its HTTP client, though its type leaves them out. */
type PipelineOptions = StoragePipelineOptions & { tlsOptions?: { ca: string } }

function pipelineOptions({ proxy, ca }: AzureStoreOptions): PipelineOptions {
  return {
    retryOptions: { maxTries: 1 },
    keepAliveOptions: { enable: true },
    ...(proxy === undefined ? {} : { proxyOptions: proxySettings(proxy.reveal()) }),
    ...(ca === undefined ? {} : { tlsOptions: { ca } }),
  }
}

function proxySettings(address: string) {
  const { protocol, hostname, port, username, password } = new URL(address)
  const login = { username: decodeURIComponent(username), password: decodeURIComponent(password) }
  const standardPort = protocol === 'https:' ? 443 : 80
  return { host: `${protocol}//${hostname}`, port: port === '' ? standardPort : Number(port), ...(username === '' ? {} : login) }
}

async function imported<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    throw new MillpondError(
      'DEPENDENCY_MISSING',
      `a store in Azure Blob Storage needs the package ${name}: npm install ${name}`,
      { cause },
    )
  }
}
