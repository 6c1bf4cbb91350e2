import { parseTerm, type PartitionTerm } from '../iceberg/transform.ts'
import type { Config } from './config.ts'
import type { IcebergConfig } from './iceberg-config.ts'
import type { Finding } from './mistake.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration } from './units.ts'

type Written = FileConfig['iceberg']

// The rules below have let through only what is whole.

/** The tables as they are written; `stores` say where the archive lies. */
export function resolveIceberg(iceberg: Written, stores: Pick<Config, 'store' | 's3' | 'gcs' | 'azure'>): IcebergConfig {
  const { topics, catalog, namespace, prefix, rest } = iceberg
  const partition = termsOf(iceberg.partition)
  const tables = Object.entries(iceberg.tables).map(([topic, table]) => [
    topic,
    { table: table.table ?? topic, partition: table.partition === undefined ? partition : termsOf(table.partition) },
  ])
  return {
    topics,
    catalog,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    namespace: namespace.split('.'),
    root: (iceberg.root ?? rootOf(stores))?.replace(/\/+$/u, ''),
    partition,
    tables: Object.fromEntries(tables) as IcebergConfig['tables'],
    rest: {
      url: rest.url ?? '',
      warehouse: rest.warehouse,
      login: loginOf(rest),
      headers: rest.headers,
      timeoutMs: parseDuration(rest.timeout)!,
    },
  }
}

const termsOf = (written: readonly string[]): PartitionTerm[] => written.map((text) => parseTerm(text)!)

function loginOf({ url, token, tokenEndpoint, clientId, clientSecret, scope }: Written['rest']): IcebergConfig['rest']['login'] {
  if (token !== undefined) return { kind: 'token', token }
  if (clientId === undefined || clientSecret === undefined) return { kind: 'none' }
  const endpoint = tokenEndpoint ?? `${(url ?? '').replace(/\/+$/u, '')}/v1/oauth/tokens`
  return { kind: 'client-credentials', endpoint, clientId, clientSecret, scope }
}

/** The store's address as other programs have it. */
function rootOf({ store, s3, gcs, azure }: Pick<Config, 'store' | 's3' | 'gcs' | 'azure'>): string | undefined {
  if (store.type === 's3') return `s3://${s3.bucket}/${s3.prefix}`
  if (store.type === 'gcs') return `gs://${gcs.bucket}/${gcs.prefix}`
  if (store.type === 'file') return `file://${store.path}`
  const account = accountOf(azure)
  return account && `abfss://${azure.container}@${account}.dfs.core.windows.net/${azure.prefix}`
}

/** The storage account, where something says it; an emulator has no address that others know. */
function accountOf({ endpoint, credentials }: Config['azure']): string | undefined {
  if (credentials.kind === 'key' && endpoint === undefined) return credentials.account
  if (credentials.kind === 'connection-string') {
    const text = credentials.connectionString.reveal()
    return /BlobEndpoint=|UseDevelopmentStorage/iu.test(text) ? undefined : /AccountName=([^;]+)/iu.exec(text)?.[1]
  }
  const address = credentials.kind === 'sas-url' ? credentials.url.reveal() : (endpoint ?? '')
  return /^https:\/\/([^./]+)\.blob\.core\.windows\.net/u.exec(address)?.[1]
}

/** What no key of the section can tell alone. */
export function icebergRules({ iceberg }: FileConfig): Finding[] {
  const findings: Finding[] = []
  const tell = (path: readonly string[], message: string) => findings.push({ path: ['iceberg', ...path], message })
  const checkTerms = (path: readonly string[], written: readonly string[]) => {
    for (const text of written) {
      if (parseTerm(text) === undefined)
        tell(
          path,
          `"${text}" is no partition field: name a column, or year, month, day or hour of one, like day(timestamp), or bucket(16, key), truncate(4, name)`,
        )
    }
  }
  checkTerms(['partition'], iceberg.partition)
  for (const [topic, { partition }] of Object.entries(iceberg.tables)) checkTerms(['tables', topic, 'partition'], partition ?? [])
  const { url, token, clientId, clientSecret, tokenEndpoint } = iceberg.rest
  if (iceberg.catalog === 'rest' && url === undefined) tell(['rest', 'url'], 'iceberg.catalog is rest: give its address')
  if ((clientId === undefined) !== (clientSecret === undefined))
    tell(['rest', clientId === undefined ? 'clientId' : 'clientSecret'], 'clientId and clientSecret are given together')
  if (tokenEndpoint !== undefined && clientId === undefined) tell(['rest', 'clientId'], 'a tokenEndpoint needs it')
  if (token !== undefined && clientId !== undefined) tell(['rest', 'token'], 'give a token, or clientId and clientSecret')
  return findings
}
