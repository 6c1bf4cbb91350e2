import { join } from 'node:path'
import type { Config } from '../../config/config.ts'

/** The addresses of objects of the store, as Dataphos writes them: `gs://…`, `https://<account>.blob.core.windows.net/<container>/…`, `s3://…`, a path. */
export function createLocations({
  store,
  gcs,
  s3,
  azure,
}: Pick<Config, 'store' | 'gcs' | 's3' | 'azure'>): (key: string) => string {
  if (store.type === 'gcs') return (key) => `gs://${gcs.bucket}/${gcs.prefix}${key}`
  if (store.type === 's3') return (key) => `s3://${s3.bucket}/${s3.prefix}${key}`
  if (store.type === 'file') return (key) => join(store.path, ...key.split('/'))
  const container = `${azureService(azure)}/${azure.container}`
  return (key) => `${container}/${azure.prefix}${key}`
}

/** The address of the blob service, without what is secret in it. */
function azureService({ endpoint, credentials }: Config['azure']): string {
  if (credentials.kind === 'connection-string') return ofConnectionString(credentials.connectionString.reveal())
  const written = endpoint ?? (credentials.kind === 'sas-url' ? credentials.url.reveal() : '')
  const { origin, pathname } = new URL(written)
  return `${origin}${pathname}`.replace(/\/+$/u, '')
}

function ofConnectionString(text: string): string {
  const part = (name: string): string | undefined => new RegExp(`(?:^|;)${name}=([^;]*)`, 'iu').exec(text)?.[1]
  const endpoint = part('BlobEndpoint')
  if (endpoint !== undefined) return endpoint.replace(/\/+$/u, '')
  return `${part('DefaultEndpointsProtocol') ?? 'https'}://${part('AccountName') ?? ''}.blob.${part('EndpointSuffix') ?? 'core.windows.net'}`
}
