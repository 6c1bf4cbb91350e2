import { completeSource, connectBook, valueForm } from './connect-rules.ts'
import { type Draft, fixed, isTrue, listOf, mapSecretTo, mapTo, type Property, type Rule, unsupported } from './draft.ts'
import { joinBooks, type RuleBook } from './rules.ts'

const LAYOUT = 'layout.aiven'
const RETRIED = 'requests are tried again until they succeed'

const outputType = (draft: Draft): string => draft.value('format.output.type') ?? 'csv'

/** Properties that say the same under an older name. */
const firstOf = (draft: Draft, names: readonly string[]): string | undefined =>
  names.map((name) => draft.value(name)).find((value) => value !== undefined)

const fieldsOf = (draft: Draft): string[] => listOf(firstOf(draft, ['format.output.fields', 'output_fields']) ?? 'value')

const format: Rule = (property, draft) => {
  const form = valueForm(draft)
  const fields = fieldsOf(draft)
  const isValueAlone = fields.length === 1 && fields[0] === 'value'
  switch (property.value) {
    case 'csv':
      draft.set('archive.headerLine', false)
      return draft.map(property, { 'archive.format': 'csv' })
    case 'jsonl':
      return draft.map(property, { 'archive.format': 'value-json' })
    case 'json':
      return draft.map(property, { 'archive.format': 'value-json-array' })
    case 'parquet':
      return isValueAlone
        ? draft.map(property, { 'archive.format': 'value-parquet' })
        : draft.map(property, { 'archive.format': 'parquet' }, 'with all that messages have as columns')
    case 'avro':
      return isValueAlone && (form === 'avro' || form === 'unknown')
        ? draft.map(property, { 'archive.format': 'value-avro' })
        : draft.map(property, { 'archive.format': 'avro' }, 'with all that messages have as fields')
    default:
      return draft.unsupported(property, 'known are csv, json, jsonl, parquet and avro')
  }
}

const isLines = (draft: Draft): boolean => ['csv', 'json', 'jsonl'].includes(outputType(draft))

const fields: Rule = (property, draft) => {
  if (!isLines(draft)) return draft.fixed(property, 'said by archive.format')
  const names = listOf(property.value)
  if (outputType(draft) === 'csv') {
    if (names.includes('key')) draft.set('archive.keyEncoding', 'base64')
    if (names.includes('headers')) draft.set('archive.headersEncoding', 'pairs')
  }
  return draft.map(property, { 'archive.fields': names })
}

const encoding: Rule = (property, draft) => {
  if (!isLines(draft)) return draft.fixed(property, 'for csv and JSON alone')
  const plain = outputType(draft) === 'csv' ? 'text' : 'json'
  // JSON holds values as they are unless they are bytes.
  const isBase64 = property.value === 'base64' && (outputType(draft) === 'csv' || valueForm(draft) === 'bytes')
  return draft.map(property, { 'archive.valueEncoding': isBase64 ? 'base64' : plain })
}

const envelope: Rule = (property, draft) => {
  if (outputType(draft) === 'jsonl' || outputType(draft) === 'json')
    return draft.map(property, { 'archive.envelope': isTrue(property.value) })
  return isTrue(property.value) ? draft.fixed(property, 'as it is') : draft.unsupported(property, 'for JSON alone')
}

const COMPRESSION: Readonly<Record<string, string>> = { none: 'null', gzip: 'gzip', snappy: 'snappy', zstd: 'zstandard' }

const compression: Rule = (property, draft) => {
  const codec = COMPRESSION[property.value.toLowerCase()]
  if (codec === undefined) return draft.unsupported(property, `known are ${Object.keys(COMPRESSION).join(', ')}`)
  const suffix = { [`${LAYOUT}.fileCompressionType`]: property.value.toLowerCase() }
  if (outputType(draft) !== 'avro' || codec !== 'gzip') return draft.map(property, { 'archive.codec': codec, ...suffix })
  return draft.map(property, { 'archive.codec': 'deflate', ...suffix }, "Avro's deflate is what gzip holds; names keep .gz")
}

const maxRecords: Rule = (property, draft) =>
  property.value === '0'
    ? draft.fixed(property, 'objects close by time')
    : draft.map(property, { 'archive.rotate.maxCount': Number(property.value), 'archive.rotate.exact': true })

const template: Rule = (property, draft) => {
  const variables = new Set([...property.value.matchAll(/\{\{\s*(\w+)/gu)].map(([, name]) => name))
  const isWhole = ['topic', 'partition', 'start_offset'].every((name) => variables.has(name))
  if (isWhole) return draft.map(property, { [`${LAYOUT}.fileNameTemplate`]: property.value })
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

const timezone: Rule = (property, draft) => draft.map(property, { [`${LAYOUT}.fileNameTimestampTimezone`]: property.value })
const source: Rule = (property, draft) =>
  draft.map(property, { [`${LAYOUT}.fileNameTimestampSource`]: property.value.toLowerCase() })

const commonBook: RuleBook = {
  names: {
    'file.name.template': template,
    'file.name.prefix': mapTo(`${LAYOUT}.fileNamePrefix`),
    'file.prefix.template': unsupported('layout.aiven.fileNamePrefix says the same', ['']),
    'file.compression.type': compression,
    output_compression: compression,
    'file.max.records': maxRecords,
    'file.name.timestamp.timezone': timezone,
    'timestamp.timezone': timezone,
    'file.name.timestamp.source': source,
    'timestamp.source': source,
    'format.output.type': format,
    'format.output.fields': fields,
    output_fields: fields,
    'format.output.fields.value.encoding': encoding,
    'format.output.envelope': envelope,
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
    'aws.s3.prefix': mapTo(`${LAYOUT}.fileNamePrefix`),
    aws_s3_prefix: mapTo(`${LAYOUT}.fileNamePrefix`),
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
    'offset.flush.interval.ms': '60000',
  }
  const ofStore =
    store === 's3' ? { 'file.compression.type': 'gzip', 'aws.s3.region': 'us-east-1' } : { 'file.compression.type': 'none' }
  return {
    from: `Aiven ${{ s3: 'S3', gcs: 'Google Cloud Storage', azure: 'Azure Blob Storage' }[store]} sink`,
    book: joinBooks(connectBook, commonBook, { s3: s3Book, gcs: gcsBook, azure: azureBook }[store]),
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
