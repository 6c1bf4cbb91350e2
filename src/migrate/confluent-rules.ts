import { completeSource, connectBook, valueForm } from './connect-rules.ts'
import { codecOf, format, formatName } from './confluent-formats.ts'
import { storeBooks } from './confluent-stores.ts'
import { className, type Draft, fixed, isTrue, mapList, mapNumber, mapTo, type Rule, unsupported } from './draft.ts'
import { joinBooks, type RuleBook } from './rules.ts'

const LAYOUT = 'layout.confluent'
const RETRIED = 'requests are tried again until they succeed'

const duration =
  (path: string, never: string): Rule =>
  (property, draft) =>
    Number(property.value) < 0
      ? draft.map(property, { [path]: never }, 'as good as never')
      : draft.map(property, { [path]: `${Math.max(1000, Number(property.value))}ms` })

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
    if (format === undefined) return draft.unsupported(property, `${what} have no format ${name}`)
    const keys = className(draft.value('key.converter') ?? 'StringConverter')
    if (what === 'headers' || format === 'json' || format === 'raw' || keys === 'StringConverter')
      return draft.map(property, { [`layout.${what}Format`]: format })
    draft.map(
      property,
      { [`layout.${what}Format`]: format, 'archive.keyEncoding': 'base64' },
      `keys are the bytes that ${keys} reads, and are not read here`,
    )
  }

const compatibility: Rule = (property, draft) => {
  const form = valueForm(draft)
  const name = formatName(draft)
  if (property.value === 'NONE')
    return draft.fixed(property, 'a schema of its own gets an object of its own, without closing the others')
  if (!['BACKWARD', 'FORWARD', 'FULL'].includes(property.value))
    return draft.unsupported(property, 'known are NONE, BACKWARD, FORWARD and FULL')
  if (name !== 'Avro' && name !== 'Parquet') return draft.fixed(property, 'lines have no schema')
  if (form !== 'avro' && form !== 'unknown')
    return draft.unsupported(property, `values of Avro are written as another version says, and these are none (${form})`)
  draft.map(
    property,
    { 'archive.schemaCompatibility': property.value.toLowerCase() },
    'another version opens an object beside those of before, and closes none',
  )
}

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
    'append.late.data': (property, draft) =>
      isTrue(property.value)
        ? draft.map(property, { 'layout.late': 'current', 'layout.grace': '0s' })
        : draft.fixed(property, 'each lies under its own time'),
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
  const book = joinBooks(connectBook, storageBook, storeBooks[store])
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
