import { codecOf, level } from './confluent-formats.ts'
import { className, fixed, isTrue, listOf, mapSecretTo, mapTo, type Rule, unsupported } from './draft.ts'
import type { RuleBook } from './rules.ts'

const LAYOUT = 'layout.confluent'
const RETRIED = 'requests are tried again until they succeed'
const BUDGET = 'one budget for all that is held: archive.memory'

const partSize =
  (path: string): Rule =>
  (property, draft) =>
    draft.map(property, { [path]: Math.max(Number(property.value), 5 * 1024 * 1024) })

const proxyUrl =
  (section: string, store: string): Rule =>
  (property, draft) => {
    if (property.value === '') return draft.fixed(property, 'none')
    return draft.value(`${store}.proxy.user`) === undefined
      ? draft.map(property, { [`${section}.proxy`]: property.value })
      : draft.mapSecret(property, `${section}.proxy`, 'PROXY_URL', 'the address with user and password in it')
  }

const proxyPart = (url: string): Rule => unsupported(`belongs into the address: ${url}`, [''])

const credentialsProvider: Rule = (property, draft) =>
  /Default/u.test(className(property.value))
    ? draft.fixed(property, 'without keys the chain of the SDK is asked')
    : draft.unsupported(property, "roles come from the SDK's own configuration: s3.profile names a profile with role_arn")

const role = unsupported("roles come from the SDK's own configuration: s3.profile names a profile with role_arn")

const tags: Rule = (property, draft) => {
  if (property.value === '') return draft.fixed(property, 'none')
  const pairs = listOf(property.value).map(
    (pair) => [pair.slice(0, pair.indexOf(':')), pair.slice(pair.indexOf(':') + 1)] as const,
  )
  return draft.map(property, { 's3.tags': Object.fromEntries(pairs) })
}

const optional =
  (rule: Rule): Rule =>
  (property, draft) =>
    property.value === '' ? draft.fixed(property, 'not given') : rule(property, draft)

const s3Book: RuleBook = {
  names: {
    's3.bucket.name': mapTo('s3.bucket'),
    's3.region': mapTo('s3.region'),
    's3.part.size': partSize('s3.partSize'),
    's3.part.retries': fixed(RETRIED),
    's3.retry.backoff.ms': fixed(RETRIED),
    's3.credentials.provider.class': credentialsProvider,
    'aws.access.key.id': optional(mapTo('s3.accessKeyId')),
    'aws.secret.access.key': optional(mapSecretTo('s3.secretAccessKey', 'AWS_SECRET_ACCESS_KEY')),
    's3.ssea.name': optional(mapTo('s3.encryption')),
    's3.sse.kms.key.id': optional(mapTo('s3.kmsKeyId')),
    's3.sse.customer.key': optional((property, draft) =>
      draft.unsupported({ ...property, value: '(secret)' }, "keys of one's own are for Azure alone: s3.encryption aws:kms"),
    ),
    's3.acl.canned': optional(unsupported('objects have the rights of their bucket, as Amazon advises')),
    's3.send.digest': fixed('s3.checksum is always sent'),
    's3.path.style.access.enabled': (property, draft) => draft.map(property, { 's3.pathStyle': isTrue(property.value) }),
    's3.wan.mode': unsupported('transfer acceleration: s3.endpoint may name the accelerated address', ['false']),
    's3.proxy.url': proxyUrl('s3', 's3'),
    's3.proxy.user': proxyPart('s3.proxy'),
    's3.proxy.password': (property, draft) =>
      draft.unsupported({ ...property, value: '(secret)' }, 'belongs into the address: s3.proxy'),
    's3.http.send.expect.continue': fixed('the SDK decides'),
    's3.object.tagging': fixed('the commit says first and last offset and count of each object'),
    's3.object.tagging.key.value.pairs': tags,
    's3.object.behavior.on.tagging.error': fixed("tags are part of the object's request"),
    's3.compression.type': codecOf('Text'),
    's3.compression.level': level,
    's3.schema.partition.affix.type': mapTo(`${LAYOUT}.schemaPartitionAffixType`),
    's3.elastic.buffer.enable': fixed(BUDGET),
    's3.elastic.buffer.init.capacity': fixed(BUDGET),
  },
  patterns: [[/^s3\.credentials\.provider\./u, role]],
}

const gcsBook: RuleBook = {
  names: {
    'gcs.bucket.name': mapTo('gcs.bucket'),
    'gcs.part.size': partSize('gcs.partSize'),
    'gcs.part.retries': fixed(RETRIED),
    'gcs.retry.backoff.ms': fixed(RETRIED),
    'gcs.credentials.path': optional(mapTo('gcs.credentials')),
    'gcs.credentials.json': optional(mapSecretTo('gcs.credentialsJson', 'GCS_CREDENTIALS_JSON')),
    'gcs.credentials.provider.class': unsupported('without credentials Application Default Credentials are asked'),
    'gcs.compression.type': codecOf('Text'),
    'gcs.compression.level': level,
    'gcs.proxy.url': proxyUrl('gcs', 'gcs'),
    'gcs.proxy.user': proxyPart('gcs.proxy'),
    'gcs.proxy.password': (property, draft) =>
      draft.unsupported({ ...property, value: '(secret)' }, 'belongs into the address: gcs.proxy'),
    'gcs.schema.partition.affix.type': mapTo(`${LAYOUT}.schemaPartitionAffixType`),
  },
}

const azureBook: RuleBook = {
  names: {
    'azblob.account.name': mapTo('azure.account'),
    'azblob.account.key': optional(mapSecretTo('azure.accountKey', 'AZURE_STORAGE_KEY')),
    'azblob.sas.token': optional(mapSecretTo('azure.sasToken', 'AZURE_STORAGE_SAS_TOKEN')),
    'azblob.container.name': mapTo('azure.container'),
    'azblob.block.size': partSize('azure.partSize'),
    'azblob.compression.type': codecOf('Text'),
    'azblob.compression.level': level,
    'azblob.endpoint.suffix': (property, draft) =>
      draft.map(property, { 'azure.endpoint': `https://${draft.value('azblob.account.name') ?? ''}.blob.${property.value}` }),
    'azblob.proxy.url': proxyUrl('azure', 'azblob'),
    'azblob.proxy.user': proxyPart('azure.proxy'),
    'azblob.proxy.password': (property, draft) =>
      draft.unsupported({ ...property, value: '(secret)' }, 'belongs into the address: azure.proxy'),
    'azblob.connection.timeout.ms': (property, draft) => draft.map(property, { 'azure.timeout': `${property.value}ms` }),
    'azblob.schema.partition.affix.type': mapTo(`${LAYOUT}.schemaPartitionAffixType`),
  },
  patterns: [[/^azblob\.(?:retry|worker|part)\./u, fixed(RETRIED)]],
}

/** What Confluent's sinks for each store have of their own. */
export const storeBooks: Readonly<Record<'s3' | 'gcs' | 'azure', RuleBook>> = { s3: s3Book, gcs: gcsBook, azure: azureBook }
