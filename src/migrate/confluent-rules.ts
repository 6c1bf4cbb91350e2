import { completeSource, connectBook, valueForm } from './connect-rules.ts'
import {
  className,
  type Draft,
  fixed,
  isTrue,
  listOf,
  mapList,
  mapNumber,
  mapSecretTo,
  mapTo,
  type Property,
  type Rule,
  unsupported,
} from './draft.ts'
import { joinBooks, type RuleBook } from './rules.ts'

const LAYOUT = 'layout.confluent'
const RETRIED = 'requests are tried again until they succeed'
const BUDGET = 'one budget for all that is held: archive.memory'
const PROJECTED = 'objects hold values of one schema each, several are open at once; nothing is projected'

const duration =
  (path: string, never: string): Rule =>
  (property, draft) =>
    Number(property.value) < 0
      ? draft.map(property, { [path]: never }, 'as good as never')
      : draft.map(property, { [path]: `${Math.max(1000, Number(property.value))}ms` })

/** Formats of Confluent's sinks under the names that they have here; a codec belongs to one of them. */
function format(property: Property, draft: Draft): void {
  const name = className(property.value, 'Format')
  const form = valueForm(draft)
  if (name === 'Avro') {
    const isAvro = form === 'avro' || form === 'unknown'
    const known =
      form === 'unknown'
        ? "where the worker's converter is AvroConverter; with values of another kind archive.format has to be avro"
        : "each value's datum under the schema that it names"
    if (isAvro) return draft.map(property, { 'archive.format': 'value-avro' }, known)
    draft.map(
      property,
      { 'archive.format': 'avro' },
      `values are no Avro (${form}): they are kept as they are, with key, headers and time beside them`,
    )
  } else if (name === 'Parquet') draft.map(property, { 'archive.format': 'value-parquet' })
  else if (name === 'Json') draft.map(property, { 'archive.format': 'value-json' }, 'a value a line')
  else if (name === 'ByteArray') draft.map(property, { 'archive.format': 'raw' })
  else {
    draft.set('archive.format', 'avro')
    draft.unsupported(property, 'known are AvroFormat, ParquetFormat, JsonFormat and ByteArrayFormat')
  }
}

const formatName = (draft: Draft): string => className(draft.value('format.class') ?? '', 'Format')

const codecs: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Avro: { null: 'null', deflate: 'deflate', snappy: 'snappy', zstandard: 'zstandard' },
  Parquet: { none: 'null', uncompressed: 'null', gzip: 'gzip', snappy: 'snappy', zstd: 'zstandard' },
  Text: { none: 'null', gzip: 'gzip' },
}

/** The codec of one family of formats; those of the others are not asked. */
const codecOf =
  (family: 'Avro' | 'Parquet' | 'Text'): Rule =>
  (property, draft) => {
    const name = formatName(draft)
    const own = name === 'Avro' || name === 'Parquet' ? name : 'Text'
    if (own !== family) return draft.fixed(property, `not for ${name === '' ? 'this format' : `${name}Format`}`)
    const codec = codecs[family]![property.value]
    if (codec !== undefined) return draft.map(property, { 'archive.codec': codec })
    draft.set('archive.codec', 'snappy')
    return draft.unsupported(property, `known are ${Object.keys(codecs[family]!).join(', ')}; archive.codec is snappy`)
  }

const level: Rule = (property, draft) => {
  if (property.value === '-1') return draft.fixed(property, 'as it is')
  const isGzip = formatName(draft) !== 'Avro' && formatName(draft) !== 'Parquet' && compressionType(draft) === 'gzip'
  return isGzip && Number(property.value) >= 1
    ? draft.map(property, { 'archive.level': Number(property.value) })
    : draft.unsupported(property, 'levels are those of gzip, 1 to 9')
}

const compressionType = (draft: Draft): string | undefined =>
  ['s3', 'gcs', 'azblob'].map((store) => draft.value(`${store}.compression.type`)).find((one) => one !== undefined)

/** The tool's partitioner; another one is not known. */
const partitioner: Rule = (property, draft) => {
  const name = className(property.value)
  const known = ['DefaultPartitioner', 'FieldPartitioner', 'TimeBasedPartitioner', 'DailyPartitioner', 'HourlyPartitioner']
  if (known.includes(name)) return draft.map(property, { [`${LAYOUT}.partitionerClass`]: name })
  return draft.unsupported(property, "a class of one's own: layout.type template makes keys of fields, headers, keys and times")
}

const extractor: Rule = (property, draft) => {
  const name = className(property.value, 'TimestampExtractor')
  if (name === 'Wallclock' || name === 'Record' || name === 'RecordField')
    return draft.map(property, { [`${LAYOUT}.timestampExtractor`]: name })
  return draft.unsupported(property, "a class of one's own: Wallclock, Record and RecordField are known")
}

/** Whether keys or headers are written beside the values, and how. */
const sibling =
  (what: 'keys' | 'headers'): Rule =>
  (property, draft) => {
    const name = className(draft.value(`${what}.format.class`) ?? 'AvroFormat', 'Format')
    const format = { Avro: 'avro', Json: 'json', Parquet: 'parquet', ByteArray: what === 'keys' ? 'raw' : undefined }[name]
    if (!isTrue(property.value)) return draft.map(property, { [`layout.${what}Format`]: 'none' })
    return format === undefined
      ? draft.unsupported(property, `${what} have no format ${name}`)
      : draft.map(property, { [`layout.${what}Format`]: format })
  }

const compatibility: Rule = (property, draft) =>
  property.value === 'NONE'
    ? draft.fixed(property, 'a schema of its own gets an object of its own, without closing the others')
    : draft.unsupported(property, PROJECTED)

const separator: Rule = (property, draft) =>
  formatName(draft) === 'ByteArray'
    ? draft.map(property, { 'archive.delimiter': property.value })
    : draft.fixed(property, 'for ByteArrayFormat alone')

const bytesExtension: Rule = (property, draft) =>
  formatName(draft) === 'ByteArray'
    ? draft.map(property, { [`${LAYOUT}.formatBytearrayExtension`]: property.value })
    : draft.fixed(property, 'for ByteArrayFormat alone')

const storageBook: RuleBook = {
  names: {
    'format.class': format,
    'storage.class': fixed('the store is that of the connector'),
    'topics.dir': mapTo(`${LAYOUT}.topicsDir`),
    'directory.delim': mapTo(`${LAYOUT}.directoryDelim`),
    'file.delim': mapTo(`${LAYOUT}.fileDelim`),
    'flush.size': (property, draft) =>
      draft.map(property, { 'archive.rotate.maxCount': Number(property.value), 'archive.rotate.exact': true }),
    'rotate.interval.ms': duration('archive.rotate.maxSpan', '3650d'),
    'rotate.schedule.interval.ms': (property, draft) =>
      Number(property.value) < 0
        ? draft.fixed(property, 'never')
        : draft.map(property, { 'archive.rotate.schedule': `${Math.max(1000, Number(property.value))}ms` }),
    'rotate.file.on.partition.change': fixed('a message of another partition closes nothing: layout.grace'),
    'filename.offset.zero.pad.width': mapNumber(`${LAYOUT}.filenameOffsetZeroPadWidth`),
    'partitioner.class': partitioner,
    'partition.field.name': mapList(`${LAYOUT}.partitionFieldName`),
    'partition.duration.ms': (property, draft) =>
      Number(property.value) < 0
        ? draft.fixed(property, 'not given')
        : draft.map(property, { [`${LAYOUT}.partitionDuration`]: `${property.value}ms` }),
    'path.format': mapTo(`${LAYOUT}.pathFormat`),
    locale: (property, draft) =>
      property.value === '' ? draft.fixed(property, 'not given') : draft.map(property, { [`${LAYOUT}.locale`]: property.value }),
    timezone: (property, draft) =>
      property.value === ''
        ? draft.fixed(property, 'not given')
        : draft.map(property, { [`${LAYOUT}.timezone`]: property.value, 'archive.rotate.timezone': property.value }),
    'timestamp.extractor': extractor,
    'timestamp.field': mapTo(`${LAYOUT}.timestampField`),
    'schema.compatibility': compatibility,
    'schemas.cache.config': fixed('registry.cache'),
    'enhanced.avro.schema.support': fixed('schemas are those of the registry, word for word'),
    'connect.meta.data': fixed('schemas are those of the registry, word for word'),
    'allow.optional.map.keys': fixed('schemas are those of the registry, word for word'),
    'avro.codec': codecOf('Avro'),
    'parquet.codec': codecOf('Parquet'),
    'json.decimal.format': unsupported('decimals are written as numbers', ['NUMERIC']),
    'format.bytearray.extension': bytesExtension,
    'format.bytearray.separator': separator,
    'retry.backoff.ms': fixed(RETRIED),
    'shutdown.timeout.ms': fixed('what was read is committed before the end'),
    'behavior.on.null.values': mapTo('layout.nullValues'),
    'report.null.values.to.dlq': fixed('with layout.nullValues fail they are dead letters'),
    'tombstone.encoded.partition': mapTo(`${LAYOUT}.tombstoneEncodedPartition`),
    'store.kafka.keys': sibling('keys'),
    'keys.format.class': fixed('with store.kafka.keys: layout.keysFormat'),
    'store.kafka.headers': sibling('headers'),
    'headers.format.class': fixed('with store.kafka.headers: layout.headersFormat'),
    'max.write.duration.ms': fixed('lanes are read and written side by side'),
    'enable.conditional.writes': fixed('no object is ever replaced'),
    'max.files.scan.limit': fixed('the commit chain says where to go on'),
    'partitioner.max.open.files': (property, draft) =>
      Number(property.value) < 1
        ? draft.fixed(property, 'layout.maxOpen')
        : draft.map(property, { 'layout.maxOpen': Number(property.value) }),
    'store.url': mapTo('s3.endpoint'),
  },
}

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

/** Defaults of Confluent's sinks that say something else than Millpond's. */
const STANDARDS = {
  'behavior.on.null.values': 'fail',
  'rotate.interval.ms': '-1',
  'avro.codec': 'null',
  'parquet.codec': 'snappy',
}

const SECTIONS = { s3: 's3', gcs: 'gcs', azure: 'azblob' } as const

/** The translation of Confluent's sink for this store. */
export function confluentSink(store: 's3' | 'gcs' | 'azure') {
  const book = joinBooks(connectBook, storageBook, { s3: s3Book, gcs: gcsBook, azure: azureBook }[store])
  const ofStore =
    store === 's3'
      ? { 's3.region': 'us-west-2', 's3.compression.type': 'none' }
      : { [`${SECTIONS[store]}.compression.type`]: 'none' }
  return {
    from: `Confluent ${{ s3: 'S3', gcs: 'Google Cloud Storage', azure: 'Azure Blob Storage' }[store]} sink`,
    book,
    standards: { ...STANDARDS, ...ofStore },
    complete: (draft: Draft) => {
      completeSource(draft)
      draft.set('store.type', store)
      draft.set('layout.type', 'confluent')
      // Confluent closes objects by count and time alone; a day is the longest that one stays open here.
      draft.set('archive.rotate.maxBytes', '5 TiB')
      draft.set('archive.rotate.maxAge', '1d')
      draft.set('archive.rotate.idle', '1d')
    },
  }
}
