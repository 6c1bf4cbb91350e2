import { resolve } from 'node:path'
import type { Finding } from './mistake.ts'
import type { FileConfig } from './schema.ts'
import type { AzureConfig, GcsConfig, S3Config } from './store-config.ts'
import { parseDuration, parseSize } from './units.ts'

type Shared = Pick<FileConfig['s3'], 'prefix' | 'proxy' | 'partSize' | 'maxRequests' | 'timeout'>

const shared = ({ prefix, proxy, partSize, maxRequests, timeout }: Shared) => ({
  prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
  proxy,
  partBytes: parseSize(partSize)!,
  maxConcurrent: maxRequests,
  timeoutMs: parseDuration(timeout)!,
})

// The rules below have let through only what is whole, for the store that is used.

export function resolveS3(s3: FileConfig['s3'], folder: string): S3Config {
  const { accessKeyId, secretAccessKey, sessionToken, kmsKeyId } = s3
  return {
    ...shared(s3),
    bucket: s3.bucket ?? '',
    region: s3.region,
    endpoint: s3.endpoint,
    pathStyle: s3.pathStyle || s3.endpoint !== undefined,
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    profile: s3.profile,
    caFile: s3.ca === undefined ? undefined : resolve(folder, s3.ca),
    encryption:
      s3.encryption === undefined
        ? undefined
        : { algorithm: s3.encryption, bucketKey: s3.bucketKey, ...(kmsKeyId === undefined ? {} : { kmsKeyId }) },
    storageClass: s3.storageClass,
    tags: s3.tags,
    requesterPays: s3.requesterPays,
    expectedBucketOwner: s3.expectedBucketOwner,
    checksum: s3.checksum,
  }
}

export function resolveGcs(gcs: FileConfig['gcs'], folder: string): GcsConfig {
  const { bucket = '', endpoint, ca, userProject, storageClass, kmsKeyName, metadata } = gcs
  const caFile = ca === undefined ? undefined : resolve(folder, ca)
  return {
    ...shared(gcs),
    bucket,
    credentials: gcsCredentials(gcs, folder),
    endpoint,
    caFile,
    userProject,
    storageClass,
    kmsKeyName,
    metadata,
  }
}

function gcsCredentials(
  { credentials, credentialsJson, anonymous }: FileConfig['gcs'],
  folder: string,
): GcsConfig['credentials'] {
  if (anonymous) return { kind: 'anonymous' }
  if (credentialsJson !== undefined) return { kind: 'json', json: credentialsJson }
  return credentials === undefined ? { kind: 'default' } : { kind: 'file', path: resolve(folder, credentials) }
}

export function resolveAzure(azure: FileConfig['azure'], folder: string): AzureConfig {
  const { container = '', account, endpoint, accessTier, encryptionScope, customerKey, ca, tags, metadata } = azure
  return {
    ...shared(azure),
    container,
    endpoint: endpoint ?? (account === undefined ? undefined : `https://${account}.blob.core.windows.net`),
    credentials: azureCredentials(azure),
    accessTier: accessTier === 'account' ? undefined : accessTier,
    encryptionScope,
    customerKey,
    caFile: ca === undefined ? undefined : resolve(folder, ca),
    tags,
    metadata,
  }
}

function azureCredentials(azure: FileConfig['azure']): AzureConfig['credentials'] {
  const { connectionString, account, accountKey, sasToken, sasUrl, anonymous, clientId } = azure
  if (anonymous) return { kind: 'anonymous' }
  if (connectionString !== undefined) return { kind: 'connection-string', connectionString }
  if (account !== undefined && accountKey !== undefined) return { kind: 'key', account, key: accountKey }
  if (sasUrl !== undefined) return { kind: 'sas-url', url: sasUrl }
  if (sasToken !== undefined) return { kind: 'sas', token: sasToken }
  return { kind: 'default', ...(clientId === undefined ? {} : { clientId }) }
}

/** What no key of the sections can tell alone. */
export function storeRules({ store: { type }, s3, gcs, azure }: FileConfig): Finding[] {
  const findings: Finding[] = []
  const tell = (path: readonly string[], message: string) => findings.push({ path: [...path], message })
  if (type === 's3' && s3.bucket === undefined) tell(['s3', 'bucket'], 'store.type is s3: name the bucket')
  if (type === 'gcs' && gcs.bucket === undefined) tell(['gcs', 'bucket'], 'store.type is gcs: name the bucket')
  if (type === 'azure') {
    if (azure.container === undefined) tell(['azure', 'container'], 'store.type is azure: name the container')
    const { account, endpoint, connectionString, sasUrl } = azure
    if ([account, endpoint, connectionString, sasUrl].every((way) => way === undefined))
      tell(['azure', 'account'], 'store.type is azure: name the account, its endpoint, a connectionString or a sasUrl')
  }
  if ((s3.accessKeyId === undefined) !== (s3.secretAccessKey === undefined)) {
    tell(
      ['s3', s3.accessKeyId === undefined ? 'accessKeyId' : 'secretAccessKey'],
      'accessKeyId and secretAccessKey are given together',
    )
  }
  if (s3.sessionToken !== undefined && s3.accessKeyId === undefined) tell(['s3', 'sessionToken'], 'belongs to an accessKeyId')
  if (s3.kmsKeyId !== undefined && s3.encryption !== 'aws:kms' && s3.encryption !== 'aws:kms:dsse')
    tell(['s3', 'kmsKeyId'], 'is for s3.encryption aws:kms or aws:kms:dsse')
  if (s3.bucketKey && s3.encryption !== 'aws:kms') tell(['s3', 'bucketKey'], 'is for s3.encryption aws:kms')
  if (azure.accountKey !== undefined && azure.account === undefined)
    tell(['azure', 'account'], 'accountKey needs the name of the account')
  const ways = [gcs.credentials, gcs.credentialsJson, gcs.anonymous || undefined].filter((way) => way !== undefined)
  if (ways.length > 1) tell(['gcs', 'credentials'], 'give one of credentials, credentialsJson and anonymous')
  const keys = [azure.connectionString, azure.accountKey, azure.sasToken, azure.sasUrl, azure.anonymous || undefined]
  if (keys.filter((way) => way !== undefined).length > 1)
    tell(['azure', 'connectionString'], 'give one of connectionString, accountKey, sasToken, sasUrl and anonymous')
  return findings
}
