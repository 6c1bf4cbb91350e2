import { formatBook, hasS3Prefix } from './aiven-formats.ts'
import { completeSource, connectBook } from './connect-rules.ts'
import { type Draft, fixed, isTrue, mapSecretTo, mapTo, type Property, type Rule, unsupported } from './draft.ts'
import { joinBooks, type RuleBook } from './rules.ts'

const LAYOUT = 'layout.aiven'
const NO_TEMPLATE = 'names with aws.s3.prefix are not made of the template'
const RETRIED = 'requests are tried again until they succeed'

const maxRecords: Rule = (property, draft) =>
  property.value === '0'
    ? draft.fixed(property, 'objects close by time')
    : draft.map(property, { 'archive.rotate.maxObjectCount': Number(property.value) })

const template: Rule = (property, draft) => {
  const variables = new Set([...property.value.matchAll(/\{\{\s*(\w+)/gu)].map(([, name]) => name))
  const isWhole = ['topic', 'partition', 'start_offset'].every((name) => variables.has(name))
  if (isWhole && hasS3Prefix(draft)) {
    return variables.size === 3
      ? draft.fixed(property, NO_TEMPLATE)
      : draft.unsupported(property, `${NO_TEMPLATE}, and objects are not split by it`)
  }
  if (isWhole) {
    // Keys stand in names as they are.
    if (variables.has('key')) draft.set('layout.strict', true)
    return draft.map(property, { [`${LAYOUT}.fileNameTemplate`]: property.value })
  }
  return draft.unsupported(
    property,
    'without topic, partition and start_offset each message would replace an object; an archive replaces nothing. Names are the default ones',
  )
}

const flush: Rule = (property, draft) =>
  draft.map(
    property,
    { 'archive.rotate.maxAge': `${property.value}ms`, 'archive.rotate.idle': `${property.value}ms` },
    'Aiven closes its files whenever Connect commits offsets',
  )

/** The sink for S3 has two pairs of settings for times: names with the older prefix are made with the older pair, others with the other one. */
const timeSetting =
  (key: string, isOlder: boolean, form: (value: string) => string): Rule =>
  (property, draft) =>
    hasS3Prefix(draft) === isOlder
      ? draft.map(property, { [`${LAYOUT}.${key}`]: form(property.value) })
      : draft.fixed(property, isOlder ? 'for names with aws.s3.prefix' : 'for names without aws.s3.prefix')
const timezone = (isOlder: boolean): Rule => timeSetting('fileNameTimestampTimezone', isOlder, (value) => value)
const source = (isOlder: boolean): Rule => timeSetting('fileNameTimestampSource', isOlder, (value) => value.toLowerCase())

const commonBook: RuleBook = {
  names: {
    'file.name.template': template,
    'file.name.prefix': mapTo(`${LAYOUT}.fileNamePrefix`),
    'file.prefix.template': fixed('the sinks do not use it'),
    'file.max.records': maxRecords,
    'file.name.timestamp.timezone': timezone(false),
    'timestamp.timezone': timezone(true),
    'file.name.timestamp.source': source(false),
    'timestamp.source': source(true),
    'kafka.retry.backoff.ms': fixed(RETRIED),
    'offset.flush.interval.ms': flush,
  },
}

const accessKey: Rule = (property, draft) => draft.map(property, { 's3.accessKeyId': property.value })
const secretKey = mapSecretTo('s3.secretAccessKey', 'AWS_SECRET_ACCESS_KEY')
const role = unsupported("roles come from the SDK's own configuration: s3.profile names a profile with role_arn")

const endpoint: Rule = (property, draft) => draft.map(property, { 's3.endpoint': property.value })

const s3Book: RuleBook = {
  names: {
    'aws.access.key.id': accessKey,
    aws_access_key_id: accessKey,
    'aws.secret.access.key': secretKey,
    aws_secret_access_key: secretKey,
    'aws.credentials.provider': (property, draft) =>
      property.value.includes('Default')
        ? draft.fixed(property, 'without keys the chain of the SDK is asked')
        : role(property, draft),
    'aws.s3.bucket.name': mapTo('s3.bucket'),
    aws_s3_bucket: mapTo('s3.bucket'),
    'aws.s3.endpoint': endpoint,
    aws_s3_endpoint: endpoint,
    'aws.s3.region': mapTo('s3.region'),
    aws_s3_region: mapTo('s3.region'),
    'aws.s3.prefix': mapTo(`${LAYOUT}.awsS3Prefix`),
    aws_s3_prefix: mapTo(`${LAYOUT}.awsS3Prefix`),
    'aws.s3.part.size.bytes': (property, draft) =>
      draft.map(property, { 's3.partSize': Math.max(Number(property.value), 5 * 1024 * 1024) }),
    'aws.s3.sse.algorithm': mapTo('s3.encryption'),
    'aws.sts.role.arn': role,
    'aws.sts.role.external.id': role,
    'aws.sts.role.session.name': role,
    'aws.sts.role.session.duration': role,
    'aws.sts.config.endpoint': role,
  },
  patterns: [[/^aws\.s3\.backoff\./u, fixed(RETRIED)]],
}

const anonymous: Rule = (property: Property, draft: Draft) =>
  isTrue(property.value)
    ? draft.fixed(property, 'without credentials Application Default Credentials are asked')
    : draft.map(property, { 'gcs.anonymous': true })

const gcsBook: RuleBook = {
  names: {
    'gcs.bucket.name': mapTo('gcs.bucket'),
    'gcs.credentials.path': mapTo('gcs.credentials'),
    'gcs.credentials.json': mapSecretTo('gcs.credentialsJson', 'GCS_CREDENTIALS_JSON'),
    'gcs.credentials.default': anonymous,
    'gcs.endpoint': mapTo('gcs.endpoint'),
    'gcs.object.content.encoding': unsupported('objects have no content encoding, so that no client unpacks them on its own'),
    'gcs.user.agent': fixed("the SDK's own"),
    'gcs.metrics.class': fixed('metrics are at /metrics'),
  },
  patterns: [[/^gcs\.retry\.backoff\./u, fixed(RETRIED)]],
}

const azureBook: RuleBook = {
  names: {
    'azure.storage.connection.string': mapSecretTo('azure.connectionString', 'AZURE_STORAGE_CONNECTION_STRING'),
    'azure.storage.container.name': mapTo('azure.container'),
    'azure.blob.prefix': mapTo(`${LAYOUT}.fileNamePrefix`),
    'azure.user.agent': fixed("the SDK's own"),
  },
  patterns: [[/^azure\.retry\.backoff\./u, fixed(RETRIED)]],
}

/** Names that Aiven's sinks had before. */
const ALIASES = {
  'aws.s3.region': ['aws_s3_region'],
  'file.compression.type': ['output_compression'],
  'format.output.fields': ['output_fields'],
}

/** The translation of Aiven's sink for this store. */
export function aivenSink(store: 's3' | 'gcs' | 'azure') {
  const given = {
    'format.output.type': 'csv',
    'format.output.fields': 'value',
    'format.output.fields.value.encoding': 'base64',
    'format.output.envelope': 'true',
    'header.converter': 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
    'offset.flush.interval.ms': '60000',
  }
  const ofStore =
    store === 's3' ? { 'file.compression.type': 'gzip', 'aws.s3.region': 'us-east-1' } : { 'file.compression.type': 'none' }
  return {
    from: `Aiven ${{ s3: 'S3', gcs: 'Google Cloud Storage', azure: 'Azure Blob Storage' }[store]} sink`,
    book: joinBooks(connectBook, formatBook, commonBook, { s3: s3Book, gcs: gcsBook, azure: azureBook }[store]),
    standards: { ...given, ...ofStore },
    aliases: ALIASES,
    complete: (draft: Draft) => {
      completeSource(draft)
      draft.set('store.type', store)
      draft.set('layout.type', 'aiven')
      draft.set('archive.rotate.maxBytes', '5 TiB')
      draft.set('archive.rotate.maxSpan', '3650d')
    },
  }
}
