import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type * as Sdk from '@aws-sdk/client-s3'
import { MillpondError } from '../../errors.ts'
import type { S3StoreOptions } from './options.ts'

const DEFAULT_REGION = 'us-east-1'
const nothing = (): void => undefined
/** Without one the SDK writes to the console. */
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** The SDK with a client of it. */
export interface S3Client {
  readonly sdk: typeof Sdk
  readonly client: Sdk.S3Client
  readonly region: string
  /** Whether what is sent stays secret, or on this machine. */
  readonly isPrivate: boolean
  close(): void
}

/**
 * A client whose region and credentials are known.
 * @throws MillpondError `DEPENDENCY_MISSING` without the SDK; `STORE_REFUSED` where region or credentials are missing.
 */
export async function openS3Client(options: S3StoreOptions, maxSockets: number): Promise<S3Client> {
  const { profile, endpoint, credentials } = options
  const sdk = await loadSdk()
  const url = endpoint === undefined ? undefined : parseEndpoint(endpoint)
  const region = options.region ?? (url === undefined || profile !== undefined ? undefined : regionOfEnvironment())
  const isLocal = url !== undefined && isLoopback(url.hostname)
  const agents = createAgents(options, isLocal, maxSockets)
  const client = new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey.reveal(),
            ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken.reveal() }),
          },
        }),
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    requestHandler: agents,
    userAgentAppId: 'millpond',
    logger: silent,
    // Repeating, checksums and waiting for a go-ahead are this adapter's own: it knows better what costs what.
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
  })
  const close = (): void => {
    client.destroy()
    agents.httpAgent.destroy()
    agents.httpsAgent.destroy()
  }
  try {
    await orRefuse(() => client.config.credentials(), 'no credentials for S3 were found: set a key, a profile or a role')
    const found = await orRefuse(() => client.config.region(), 'the region of the bucket is not known: set it')
    return { sdk, client, region: found, isPrivate: isLocal || url?.protocol !== 'http:', close }
  } catch (error) {
    close()
    throw error
  }
}

async function loadSdk(): Promise<typeof Sdk> {
  try {
    return await import('@aws-sdk/client-s3')
  } catch (cause) {
    throw new MillpondError(
      'DEPENDENCY_MISSING',
      'a store in S3 needs the package @aws-sdk/client-s3: npm install @aws-sdk/client-s3',
      {
        cause,
      },
    )
  }
}

async function orRefuse<T>(ask: () => Promise<T>, message: string): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    throw new MillpondError('STORE_REFUSED', message, { cause })
  }
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.parse(endpoint)
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  throw new MillpondError('CONFIG_INVALID', `"${endpoint}" is no address of a service: it has to begin with http:// or https://`)
}

const regionOfEnvironment = (): string => process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? DEFAULT_REGION

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/u.test(host)

function createAgents(
  { proxy, ca }: S3StoreOptions,
  isLocal: boolean,
  maxSockets: number,
): { httpAgent: Agent; httpsAgent: TlsAgent } {
  const address = proxy?.reveal()
  const environment = isLocal ? undefined : process.env
  const proxyEnv = address === undefined ? environment : { HTTP_PROXY: address, HTTPS_PROXY: address }
  const settings = { keepAlive: true, maxSockets, ...(proxyEnv === undefined ? {} : { proxyEnv }) }
  return { httpAgent: new Agent(settings), httpsAgent: new TlsAgent({ ...settings, ...(ca === undefined ? {} : { ca }) }) }
}
