import { MillpondError } from '../../errors.ts'
import { createRequests } from '../../store/requests.ts'
import type { RequestPrices, RequestTerms } from '../../store/requests.ts'
import { standardRetry } from '../../store/retry.ts'
import type { RetryPolicy } from '../../store/retry.ts'
import { credentialsError, refusalError, transportError } from './errors.ts'
import { createHttpClient } from './http.ts'
import type { HttpRequest, HttpResponse } from './http.ts'
import type { GcsCredentials, GcsStoreOptions } from './options.ts'

const DEFAULT_TIMEOUT_MS = 15_000
const DEFAULT_MAX_CONCURRENT = 64
/** Long enough for a request that hangs to be given up and repeated. */
const RETRY: RetryPolicy = { ...standardRetry, maxAttempts: 10, budgetMs: 60_000 }

/**
 * Operations of class A and B in a single region, standard class (cloud.google.com/storage/pricing, read 2026-11). An upload in parts is
 * one operation.
 */
const CLASS_A_USD = 0.005 / 1000
const CLASS_B_USD = 0.0004 / 1000
const listPrices: RequestPrices = {
  put: CLASS_A_USD,
  begin: 0,
  part: 0,
  complete: CLASS_A_USD,
  abort: 0,
  get: CLASS_B_USD,
  head: CLASS_B_USD,
  list: CLASS_A_USD,
  delete: 0,
}

/** Services of others, and emulators, are not paid by the request. */
const noPrices: RequestPrices = { put: 0, begin: 0, part: 0, complete: 0, abort: 0, get: 0, head: 0, list: 0, delete: 0 }

/** One exchange with the service's JSON API. */
export interface GcsExchange {
  readonly method: HttpRequest['method']
  /** A path of the API, or the address that the service gave an upload. */
  readonly to: string | URL
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
  /** Statuses above 299 that are answers too. */
  readonly accept?: readonly number[]
}

/** What is asked for, in one exchange or several. */
export interface GcsTask<T> extends RequestTerms {
  readonly sentBytes?: number
  /** Done again as a whole after a failure that passes. From `attempt` 2 on, an earlier one may have reached the service. */
  readonly act: (exchange: (request: GcsExchange) => Promise<HttpResponse>, attempt: number) => Promise<T>
}

/** What talks to the service about one bucket: with credentials, time limits and repetitions. */
export interface GcsClient {
  readonly bucket: string
  run<T>(task: GcsTask<T>, signal?: AbortSignal): Promise<T>
  /** A task of one exchange. */
  ask(terms: RequestTerms, exchange: GcsExchange, signal?: AbortSignal): Promise<HttpResponse>
  /** The address of an upload, on the way by which this client reaches the service. */
  uploadUrl(location: string): URL
  close(): void
}

/**
 * A client for one bucket. Credentials come from the official SDK's own chain; requests are made here, as the SDK's uploads compute CRC-32C
 * in JavaScript, which takes twenty times the processor time of the request itself.
 * @throws MillpondError `DEPENDENCY_MISSING` without the SDK; `STORE_REFUSED` where the credentials cannot be read; `CONFIG_INVALID`.
 */
export async function openGcsClient(options: GcsStoreOptions): Promise<GcsClient> {
  const { bucket, userProject } = options
  const proxy = options.proxy?.reveal()
  const { endpoint, authorize } = await openIdentity(options, proxy)
  const maxConcurrent = options.maxConcurrent ?? DEFAULT_MAX_CONCURRENT
  const environment = isLoopback(endpoint.hostname) ? undefined : process.env
  const proxyEnv = proxy === undefined ? environment : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy }
  const http = createHttpClient({ proxyEnv, ca: options.ca, maxSockets: maxConcurrent })
  const requests = createRequests({
    policy: options.retry ?? RETRY,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxConcurrent,
    explain: (error, terms) => transportError(error, terms, bucket),
    prices: options.prices ?? (endpoint.hostname.endsWith('.googleapis.com') ? listPrices : noPrices),
    observe: options.observe,
  })
  const base = endpoint.href.replace(/\/$/, '')

  const urlOf = ({ to, query = {} }: GcsExchange): URL => {
    const url = new URL(typeof to === 'string' ? base + to : to)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    if (userProject !== undefined && typeof to === 'string') url.searchParams.set('userProject', userProject)
    return url
  }
  const run = <T>({ kind, key, sentBytes = 0, act }: GcsTask<T>, signal?: AbortSignal): Promise<T> =>
    requests.send(
      {
        kind,
        key,
        sentBytes,
        act: ({ number, signal, alive }) =>
          act(async (exchange) => {
            const { method, body, accept = [] } = exchange
            const url = urlOf(exchange)
            const headers = { ...(await orAborted(authorize(url), signal)), ...exchange.headers }
            const answer = await http.send({ method, url, headers, signal, alive, ...(body === undefined ? {} : { body }) })
            if (answer.status < 300 || accept.includes(answer.status)) return answer
            throw refusalError(answer, { kind, key }, bucket)
          }, number),
        receivedBytes: (answer) => (kind === 'get' && answer instanceof Uint8Array ? answer.length : 0),
      },
      signal,
    )

  return {
    bucket,
    run,
    ask: (terms, exchange, signal) => run({ ...terms, act: (send) => send(exchange) }, signal),
    uploadUrl(location) {
      const url = new URL(location)
      url.protocol = endpoint.protocol
      url.host = endpoint.host
      return url
    },
    close: () => http.close(),
  }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/u.test(host)

/** What the promise gives, or the signal's reason where that aborts first: the auth library takes no signal. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

interface Identity {
  readonly endpoint: URL
  /** Headers that say who asks. */
  readonly authorize: (url: URL) => Promise<Readonly<Record<string, string>>>
}

async function openIdentity(options: GcsStoreOptions, proxy: string | undefined): Promise<Identity> {
  const { bucket, credentials = { kind: 'default' } } = options
  const { Storage } = await importSdk()
  const storage = new Storage({
    ...credentialSettings(credentials),
    ...(options.endpoint === undefined ? {} : { apiEndpoint: options.endpoint }),
    clientOptions: { transporterOptions: proxy === undefined ? {} : { proxy } },
  })
  const endpoint = parseEndpoint(storage.apiEndpoint)
  if (credentials.kind === 'anonymous') return { endpoint, authorize: async () => ({}) }
  return {
    endpoint,
    async authorize(url) {
      try {
        return Object.fromEntries(await storage.authClient.getRequestHeaders(url))
      } catch (error) {
        throw credentialsError(error, bucket)
      }
    },
  }
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.parse(endpoint)
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  throw new MillpondError('CONFIG_INVALID', `"${endpoint}" is no address of a service: it has to begin with http:// or https://`)
}

function credentialSettings(credentials: GcsCredentials): { keyFilename?: string; credentials?: Record<string, string> } {
  if (credentials.kind === 'file') return { keyFilename: credentials.path }
  if (credentials.kind === 'json') return { credentials: parseCredentials(credentials.json.reveal()) }
  return {}
}

function parseCredentials(json: string): Record<string, string> {
  try {
    return JSON.parse(json) as Record<string, string>
  } catch {
    // The parser's own message quotes the text.
    throw new MillpondError('STORE_REFUSED', 'the credentials are no JSON: give the text of a key file of Google Cloud')
  }
}

async function importSdk() {
  try {
    return await import('@google-cloud/storage')
  } catch (cause) {
    throw new MillpondError(
      'DEPENDENCY_MISSING',
      'a store in Google Cloud Storage needs the package @google-cloud/storage: npm install @google-cloud/storage',
      { cause },
    )
  }
}
