import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { StoragePipelineOptions } from '@azure/storage-blob'
import { newCertificates } from './certificates.ts'
import { statusOf } from './http-probe.ts'
import { type Server, startServer } from './server.ts'

const ACCOUNT_NAME = 'millpond'
const require = createRequire(import.meta.url)
const main = () => require.resolve('azurite/dist/src/blob/main.js')

export interface AzuriteOptions {
  /** Serves https with a certificate of its own authority, and takes tokens of Microsoft Entra, whose signature it does not check. */
  readonly tls?: boolean
}

export interface Azurite extends Server {
  readonly connectionString: string
  /** `http://127.0.0.1:<port>/<account>`. */
  readonly endpoint: string
  readonly accountName: string
  readonly accountKey: string
  /** What a client has to trust, where the endpoint is https. */
  readonly ca: string | undefined
  readonly createContainer: (name: string) => Promise<void>
}

/** Why Azurite, which npm installs with the tools of development, is not there. */
export function azuriteMissing(): string | undefined {
  try {
    main()
    return undefined
  } catch {
    return 'the npm package azurite is not installed'
  }
}

/** Starts Azurite for blobs, over one folder. What is killed forgets what it took in the last five seconds, containers included. */
export async function startAzurite({ tls = false }: AzuriteOptions = {}): Promise<Azurite> {
  const reason = azuriteMissing()
  if (reason !== undefined) throw new Error(reason)
  const certificates = tls ? await newCertificates() : undefined
  const ca = certificates?.ca
  const protocol = tls ? 'https' : 'http'
  const endpointOf = (port: number | undefined) => `${protocol}://127.0.0.1:${port}/${ACCOUNT_NAME}`
  const accountKey = randomBytes(64).toString('base64')
  const server = await startServer({
    name: 'azurite',
    portCount: 1,
    async prepare({ folder, ports }) {
      const [certificate, key] = [join(folder, 'server.pem'), join(folder, 'server.key')]
      if (certificates) {
        await writeFile(certificate, certificates.server.certificate)
        await writeFile(key, certificates.server.key)
      }
      const words = ['--blobHost', '127.0.0.1', '--blobPort', String(ports[0]), '--location', join(folder, 'data')]
      const quiet = ['--silent', '--disableTelemetry', '--skipApiVersionCheck']
      return {
        command: process.execPath,
        words: [main(), ...words, ...quiet, ...(tls ? ['--cert', certificate, '--key', key, '--oauth', 'basic'] : [])],
        env: { AZURITE_ACCOUNTS: `${ACCOUNT_NAME}:${accountKey}` },
      }
    },
    // Who does not say who they are is refused.
    probe: async ({ ports }) => (await statusOf(`${endpointOf(ports[0])}?comp=list`, ca)) === 403,
  })
  const endpoint = endpointOf(server.ports[0])
  return Object.assign(server, {
    connectionString: `DefaultEndpointsProtocol=${protocol};AccountName=${ACCOUNT_NAME};AccountKey=${accountKey};BlobEndpoint=${endpoint};`,
    endpoint,
    accountName: ACCOUNT_NAME,
    accountKey,
    ca,
    async createContainer(name: string) {
      const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob')
      const credential = new StorageSharedKeyCredential(ACCOUNT_NAME, accountKey)
      // The SDK hands these on to its HTTP client, though its type leaves them out.
      const options: StoragePipelineOptions & { tlsOptions?: { ca: string } } = ca === undefined ? {} : { tlsOptions: { ca } }
      await new BlobServiceClient(endpoint, credential, options).getContainerClient(name).create()
    },
  })
}
