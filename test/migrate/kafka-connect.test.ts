import { describe, expect, it } from 'vitest'
import type { Outcome } from '../../src/migrate/draft.ts'
import { migrateKafkaConnect } from '../../src/migrate/kafka-connect.ts'
import { loaded, rowOf } from './check.ts'

/** A property with a value, what becomes of it, and what it sets. */
type Case = readonly [property: string, value: string, outcome: Outcome, sets?: string]

const S3 = {
  'connector.class': 'io.confluent.connect.s3.S3SinkConnector',
  'format.class': 'io.confluent.connect.s3.format.avro.AvroFormat',
  'flush.size': '250',
  topics: 'orders',
  's3.bucket.name': 'lake',
}
const JSON_FORMAT = { 'format.class': 'io.confluent.connect.s3.format.json.JsonFormat' }
const BYTES_FORMAT = { 'format.class': 'io.confluent.connect.s3.format.bytearray.ByteArrayFormat' }
const PARQUET_FORMAT = { 'format.class': 'io.confluent.connect.s3.format.parquet.ParquetFormat' }
const KEYS = { 'aws.access.key.id': 'AK', 'aws.secret.access.key': 'SK' }
const GCS = {
  ...S3,
  'connector.class': 'io.confluent.connect.gcs.GcsSinkConnector',
  'gcs.bucket.name': 'lake',
  's3.bucket.name': undefined,
}
const AZURE = {
  ...S3,
  'connector.class': 'io.confluent.connect.azure.blob.AzureBlobStorageSinkConnector',
  'azblob.account.name': 'acme',
  'azblob.container.name': 'lake',
  's3.bucket.name': undefined,
}
const AIVEN = {
  'connector.class': 'io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector',
  topics: 'orders',
  'aws.s3.bucket.name': 'lake',
}
const AIVEN_GCS = {
  'connector.class': 'io.aiven.kafka.connect.gcs.GcsSinkConnector',
  topics: 'orders',
  'gcs.bucket.name': 'lake',
}
const AIVEN_AZURE = {
  'connector.class': 'io.aiven.kafka.connect.azure.sink.AzureBlobSinkConnector',
  topics: 'orders',
  'azure.storage.container.name': 'lake',
  'azure.storage.connection.string': 'AccountName=a;AccountKey=b',
}

type Base = Readonly<Record<string, string | undefined>>

const migrate = (properties: Base) => migrateKafkaConnect(JSON.stringify({ config: properties }))

/** Checks each case alone, beside a base that is whole without it. */
function describeCases(title: string, base: Base, cases: readonly Case[]): void {
  describe(`properties of ${title}`, () => {
    const rows = cases.map(([property, value, outcome, sets = '']) => ({ property, value, outcome, sets }))
    it.each(rows)('$property=$value is $outcome $sets', async ({ property, value, outcome, sets }) => {
      const migration = migrate({ ...base, [property]: value })
      await loaded(migration)
      expect(rowOf(migration, property)).toMatchObject({ outcome, sets })
    })
  })
}

describeCases('the framework', S3, [
  ['name', 'S3-sink', 'mapped', 'source.group: millpond-S3-sink'],
  ['connector.class', S3['connector.class'], 'fixed'],
  ['topics', 'a, b', 'mapped', 'source.topics: ["a","b"]'],
  ['tasks.max', '1', 'fixed'],
  ['key.converter', 'org.apache.kafka.connect.storage.StringConverter', 'fixed'],
  ['value.converter', 'io.confluent.connect.avro.AvroConverter', 'fixed'],
  ['header.converter', 'org.apache.kafka.connect.storage.SimpleHeaderConverter', 'fixed'],
  ['transforms', 'a', 'unsupported'],
  ['transforms.a.type', 'x', 'unsupported'],
  ['predicates', 'p', 'unsupported'],
  ['predicates.p.type', 'x', 'unsupported'],
  ['consumer.override.auto.offset.reset', 'latest', 'mapped', 'kafka.start: latest'],
  ['consumer.override.isolation.level', 'read_uncommitted', 'mapped', 'kafka.isolation: uncommitted'],
  ['consumer.override.max.poll.records', '500', 'fixed'],
  ['consumer.override.group.id', 'g', 'mapped', 'source.group: g'],
  ['consumer.override.session.timeout.ms', '10000', 'mapped', 'kafka.sessionTimeout: 10000ms'],
  ['consumer.override.no.such.setting', '1', 'unsupported'],
  ['producer.override.acks', 'all', 'fixed'],
  ['errors.tolerance', 'all', 'fixed'],
  ['errors.retry.timeout', '0', 'fixed'],
  ['errors.retry.delay.max.ms', '60000', 'fixed'],
  ['errors.log.enable', 'true', 'fixed'],
  ['errors.log.include.messages', 'true', 'unsupported'],
  ['errors.log.include.messages', 'false', 'fixed'],
  ['errors.deadletterqueue.topic.name', 'dlq', 'unsupported'],
  ['errors.deadletterqueue.topic.name', '', 'fixed'],
  ['errors.deadletterqueue.topic.replication.factor', '3', 'unsupported'],
  ['errors.deadletterqueue.context.headers.enable', 'true', 'fixed'],
  ['bootstrap.servers', 'k1:9092,k2:9092', 'mapped', 'kafka.brokers: ["k1:9092","k2:9092"]'],
  ['security.protocol', 'SSL', 'mapped', 'kafka.tls.enabled: true'],
  ['consumer.ssl.truststore.location', '/etc/ca.pem', 'mapped', 'kafka.tls.ca: /etc/ca.pem'],
  ['consumer.ssl.truststore.location', '/etc/trust.jks', 'unsupported'],
  ['ssl.keystore.location', '/etc/key.p12', 'unsupported'],
  [
    'value.converter.schema.registry.url',
    'http://a:8081,http://b:8081',
    'mapped',
    'registry.urls: ["http://a:8081","http://b:8081"]',
  ],
  ['value.converter.basic.auth.credentials.source', 'USER_INFO', 'fixed'],
  ['value.converter.basic.auth.user.info', 'me:secret', 'mapped', 'registry.password: ${REGISTRY_PASSWORD}'],
  ['value.converter.bearer.auth.token', 'secret', 'mapped', 'registry.token: ${REGISTRY_TOKEN}'],
  ['value.converter.schemas.enable', 'false', 'fixed'],
  ['value.converter.schemas.enable', 'true', 'unsupported'],
  ['key.converter.schema.registry.url', 'http://a:8081', 'fixed'],
  ['confluent.topic.bootstrap.servers', 'k:9092', 'fixed'],
  ['s3.bucket.nam', 'x', 'unknown'],
])

describeCases("Confluent's S3 sink", S3, [
  ['format.class', 'io.confluent.connect.s3.format.avro.AvroFormat', 'mapped', 'archive.format: value-avro'],
  ['format.class', 'io.confluent.connect.s3.format.parquet.ParquetFormat', 'mapped', 'archive.format: value-parquet'],
  ['format.class', 'io.confluent.connect.s3.format.json.JsonFormat', 'mapped', 'archive.format: value-json'],
  ['format.class', 'io.confluent.connect.s3.format.bytearray.ByteArrayFormat', 'mapped', 'archive.format: raw'],
  ['format.class', 'com.acme.OrcFormat', 'unsupported'],
  ['storage.class', 'io.confluent.connect.s3.storage.S3Storage', 'fixed'],
  ['topics.dir', 'raw', 'mapped', 'layout.confluent.topicsDir: raw'],
  ['topics.dir', '', 'mapped', 'layout.confluent.topicsDir: '],
  ['store.url', 'http://minio:9000', 'mapped', 's3.endpoint: http://minio:9000'],
  ['directory.delim', '_', 'mapped', 'layout.confluent.directoryDelim: _'],
  ['file.delim', '-', 'mapped', 'layout.confluent.fileDelim: -'],
  ['flush.size', '1000', 'mapped', 'archive.rotate.maxCount: 1000; archive.rotate.exact: true'],
  ['rotate.interval.ms', '600000', 'mapped', 'archive.rotate.maxSpan: 600000ms'],
  ['rotate.interval.ms', '-1', 'mapped', 'archive.rotate.maxSpan: 3650d'],
  ['rotate.schedule.interval.ms', '3600000', 'mapped', 'archive.rotate.schedule: 3600000ms'],
  ['rotate.schedule.interval.ms', '-1', 'fixed'],
  ['rotate.file.on.partition.change', 'true', 'fixed'],
  ['append.late.data', 'true', 'mapped', 'layout.late: current; layout.grace: 0s'],
  ['append.late.data', 'false', 'fixed'],
  ['filename.offset.zero.pad.width', '12', 'mapped', 'layout.confluent.filenameOffsetZeroPadWidth: 12'],
  [
    'partitioner.class',
    'io.confluent.connect.storage.partitioner.HourlyPartitioner',
    'mapped',
    'layout.confluent.partitionerClass: HourlyPartitioner',
  ],
  ['partitioner.class', 'com.acme.FieldAndTimePartitioner', 'unsupported'],
  ['partition.field.name', 'country,kind', 'mapped', 'layout.confluent.partitionFieldName: ["country","kind"]'],
  ['partition.duration.ms', '3600000', 'mapped', 'layout.confluent.partitionDuration: 3600000ms'],
  ['partition.duration.ms', '-1', 'fixed'],
  ['path.format', "'year'=YYYY", 'mapped', "layout.confluent.pathFormat: 'year'=YYYY"],
  ['locale', 'de', 'mapped', 'layout.confluent.locale: de'],
  ['locale', '', 'fixed'],
  ['timezone', 'Europe/Berlin', 'mapped', 'layout.confluent.timezone: Europe/Berlin; archive.rotate.timezone: Europe/Berlin'],
  ['timezone', '', 'fixed'],
  ['timestamp.extractor', 'Record', 'mapped', 'layout.confluent.timestampExtractor: Record'],
  [
    'timestamp.extractor',
    'io.confluent.connect.storage.partitioner.TimeBasedPartitioner$RecordFieldTimestampExtractor',
    'mapped',
    'layout.confluent.timestampExtractor: RecordField',
  ],
  ['timestamp.extractor', 'com.acme.MyExtractor', 'unsupported'],
  ['timestamp.field', 'at', 'mapped', 'layout.confluent.timestampField: at'],
  ['schema.compatibility', 'NONE', 'fixed'],
  ['schema.compatibility', 'BACKWARD', 'mapped', 'archive.schemaCompatibility: backward'],
  ['schema.compatibility', 'FORWARD', 'mapped', 'archive.schemaCompatibility: forward'],
  ['schema.compatibility', 'FULL', 'mapped', 'archive.schemaCompatibility: full'],
  ['schema.compatibility', 'FULL_TRANSITIVE', 'unsupported'],
  ['schemas.cache.config', '1000', 'fixed'],
  ['enhanced.avro.schema.support', 'true', 'fixed'],
  ['connect.meta.data', 'true', 'fixed'],
  ['allow.optional.map.keys', 'false', 'fixed'],
  ['avro.codec', 'snappy', 'mapped', 'archive.codec: snappy'],
  ['avro.codec', 'bzip2', 'unsupported'],
  ['parquet.codec', 'snappy', 'fixed'],
  ['s3.compression.type', 'none', 'fixed'],
  ['s3.compression.level', '-1', 'fixed'],
  ['s3.compression.level', '6', 'unsupported'],
  ['json.decimal.format', 'BASE64', 'unsupported'],
  ['json.decimal.format', 'NUMERIC', 'fixed'],
  ['format.bytearray.extension', '.bin', 'fixed'],
  ['format.bytearray.separator', '|', 'fixed'],
  ['s3.bucket.name', 'other', 'mapped', 's3.bucket: other'],
  ['s3.region', 'eu-central-1', 'mapped', 's3.region: eu-central-1'],
  ['s3.part.size', '26214400', 'mapped', 's3.partSize: 26214400'],
  ['s3.part.retries', '3', 'fixed'],
  ['s3.retry.backoff.ms', '200', 'fixed'],
  ['retry.backoff.ms', '5000', 'fixed'],
  ['shutdown.timeout.ms', '3000', 'fixed'],
  ['s3.credentials.provider.class', 'software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider', 'fixed'],
  ['s3.credentials.provider.class', 'io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider', 'unsupported'],
  ['s3.credentials.provider.sts.role.arn', 'arn:aws:iam::1:role/r', 'unsupported'],
  ['s3.credentials.provider.sts.role.session.name', 's', 'unsupported'],
  ['s3.credentials.provider.sts.role.external.id', 'e', 'unsupported'],
  ['aws.access.key.id', '', 'fixed'],
  ['s3.ssea.name', 'AES256', 'mapped', 's3.encryption: AES256'],
  ['s3.ssea.name', '', 'fixed'],
  ['s3.sse.kms.key.id', '', 'fixed'],
  ['s3.sse.customer.key', 'secret', 'unsupported'],
  ['s3.acl.canned', 'bucket-owner-full-control', 'unsupported'],
  ['s3.send.digest', 'false', 'fixed'],
  ['s3.path.style.access.enabled', 'true', 'mapped', 's3.pathStyle: true'],
  ['s3.wan.mode', 'false', 'fixed'],
  ['s3.wan.mode', 'true', 'unsupported'],
  ['s3.proxy.url', 'http://proxy:3128', 'mapped', 's3.proxy: http://proxy:3128'],
  ['s3.proxy.url', '', 'fixed'],
  ['s3.proxy.user', 'me', 'unsupported'],
  ['s3.proxy.password', 'secret', 'unsupported'],
  ['s3.http.send.expect.continue', 'true', 'fixed'],
  ['s3.object.tagging', 'true', 'fixed'],
  ['s3.object.tagging.key.value.pairs', 'team:a,cost:b', 'mapped', 's3.tags: {"team":"a","cost":"b"}'],
  ['s3.object.tagging.key.value.pairs', '', 'fixed'],
  ['s3.object.behavior.on.tagging.error', 'fail', 'fixed'],
  ['behavior.on.null.values', 'write', 'mapped', 'layout.nullValues: write'],
  ['report.null.values.to.dlq', 'true', 'fixed'],
  ['tombstone.encoded.partition', 'gone', 'mapped', 'layout.confluent.tombstoneEncodedPartition: gone'],
  ['store.kafka.keys', 'true', 'mapped', 'layout.keysFormat: avro'],
  ['store.kafka.keys', 'false', 'mapped', 'layout.keysFormat: none'],
  ['keys.format.class', 'io.confluent.connect.s3.format.json.JsonFormat', 'fixed'],
  ['store.kafka.headers', 'true', 'mapped', 'layout.headersFormat: avro'],
  ['headers.format.class', 'io.confluent.connect.s3.format.json.JsonFormat', 'fixed'],
  ['s3.schema.partition.affix.type', 'PREFIX', 'mapped', 'layout.confluent.schemaPartitionAffixType: PREFIX'],
  ['s3.elastic.buffer.enable', 'true', 'fixed'],
  ['s3.elastic.buffer.init.capacity', '131072', 'fixed'],
  ['max.write.duration.ms', '1000', 'fixed'],
  ['enable.conditional.writes', 'true', 'fixed'],
  ['max.files.scan.limit', '100', 'fixed'],
  ['partitioner.max.open.files', '-1', 'fixed'],
  ['partitioner.max.open.files', '20', 'mapped', 'layout.maxOpen: 20'],
])

describeCases('its keys in Avro', { ...S3, 'key.converter': 'io.confluent.connect.avro.AvroConverter' }, [
  ['store.kafka.keys', 'true', 'mapped', 'layout.keysFormat: avro; archive.keyEncoding: base64'],
])
describeCases(
  'its keys and headers in Parquet',
  {
    ...S3,
    'keys.format.class': 'io.confluent.connect.s3.format.parquet.ParquetFormat',
    'headers.format.class': 'io.confluent.connect.s3.format.parquet.ParquetFormat',
  },
  [
    ['store.kafka.keys', 'true', 'mapped', 'layout.keysFormat: parquet'],
    ['store.kafka.headers', 'true', 'mapped', 'layout.headersFormat: parquet'],
  ],
)
describeCases('its JSON', { ...S3, ...JSON_FORMAT }, [
  ['s3.compression.type', 'gzip', 'mapped', 'archive.codec: gzip'],
  ['s3.compression.type', 'lz4', 'unsupported'],
  ['avro.codec', 'snappy', 'fixed'],
  ['parquet.codec', 'gzip', 'fixed'],
])
describeCases('its JSON with gzip', { ...S3, ...JSON_FORMAT, 's3.compression.type': 'gzip' }, [
  ['s3.compression.level', '6', 'mapped', 'archive.level: 6'],
])
describeCases('its Parquet', { ...S3, ...PARQUET_FORMAT }, [
  ['parquet.codec', 'gzip', 'mapped', 'archive.codec: gzip'],
  ['parquet.codec', 'zstd', 'mapped', 'archive.codec: zstandard'],
  ['parquet.codec', 'lzo', 'unsupported'],
])
describeCases('its bytes', { ...S3, ...BYTES_FORMAT }, [
  ['format.bytearray.extension', '.txt', 'mapped', 'layout.confluent.formatBytearrayExtension: .txt'],
  ['format.bytearray.separator', '|', 'mapped', 'archive.delimiter: |'],
  ['s3.compression.type', 'gzip', 'mapped', 'archive.codec: gzip'],
])
describeCases(
  'its keys',
  { ...S3, ...KEYS, 's3.ssea.name': 'aws:kms', 'store.kafka.keys': 'true', 'store.kafka.headers': 'true' },
  [
    ['aws.access.key.id', 'AK2', 'mapped', 's3.accessKeyId: AK2'],
    ['aws.secret.access.key', 'SK', 'mapped', 's3.secretAccessKey: ${AWS_SECRET_ACCESS_KEY}'],
    ['s3.sse.kms.key.id', 'k', 'mapped', 's3.kmsKeyId: k'],
  ],
)
describeCases("Confluent's sink for Google Cloud Storage", GCS, [
  ['gcs.bucket.name', 'b', 'mapped', 'gcs.bucket: b'],
  ['gcs.part.size', '5242880', 'mapped', 'gcs.partSize: 5242880'],
  ['gcs.part.retries', '3', 'fixed'],
  ['gcs.retry.backoff.ms', '200', 'fixed'],
  ['gcs.credentials.path', '/etc/key.json', 'mapped', 'gcs.credentials: /etc/key.json'],
  ['gcs.credentials.json', '{"type":"x"}', 'mapped', 'gcs.credentialsJson: ${GCS_CREDENTIALS_JSON}'],
  ['gcs.compression.type', 'gzip', 'fixed'],
  ['gcs.proxy.url', 'http://p:1', 'mapped', 'gcs.proxy: http://p:1'],
])
describeCases("Confluent's sink for Azure", AZURE, [
  ['azblob.account.name', 'other', 'mapped', 'azure.account: other'],
  ['azblob.account.key', 'secret', 'mapped', 'azure.accountKey: ${AZURE_STORAGE_KEY}'],
  ['azblob.sas.token', 'secret', 'mapped', 'azure.sasToken: ${AZURE_STORAGE_SAS_TOKEN}'],
  ['azblob.container.name', 'c', 'mapped', 'azure.container: c'],
  ['azblob.block.size', '26214400', 'mapped', 'azure.partSize: 26214400'],
  ['azblob.retry.retries', '3', 'fixed'],
  ['azblob.connection.timeout.ms', '30000', 'mapped', 'azure.timeout: 30000ms'],
])

const JSON_CLASS = JSON_FORMAT['format.class']
describeCases("Confluent's JSON of text", { ...S3, 'value.converter': 'org.apache.kafka.connect.storage.StringConverter' }, [
  ['format.class', JSON_CLASS, 'mapped', 'archive.format: value-json'],
])
describeCases("Confluent's JSON of Avro values", { ...S3, 'value.converter': 'io.confluent.connect.avro.AvroConverter' }, [
  ['format.class', JSON_CLASS, 'unsupported'],
])
describeCases(
  "Confluent's compressed JSON of Protobuf values",
  { ...S3, ...JSON_FORMAT, 'value.converter': 'io.confluent.connect.protobuf.ProtobufConverter' },
  [['s3.compression.type', 'gzip', 'mapped', 'archive.codec: deflate']],
)
describeCases("Aiven's S3 sink", AIVEN, [
  [
    'file.name.template',
    '{{topic}}/{{partition}}-{{start_offset}}.gz',
    'mapped',
    'layout.aiven.fileNameTemplate: {{topic}}/{{partition}}-{{start_offset}}.gz',
  ],
  ['file.name.template', '{{key}}.gz', 'unsupported'],
  ['file.name.prefix', 'raw/', 'mapped', 'layout.aiven.fileNamePrefix: raw/'],
  ['file.name.template', '{{topic}}/{{partition}}/{{key}}', 'unsupported'],
  ['file.prefix.template', 'topics/{{topic}}/', 'fixed'],
  ['file.compression.type', 'zstd', 'mapped', 'archive.codec: zstandard; layout.aiven.fileCompressionType: zstd'],
  ['file.compression.type', 'bzip2', 'unsupported'],
  ['file.max.records', '100', 'mapped', 'archive.rotate.maxObjectCount: 100'],
  ['file.max.records', '0', 'fixed'],
  ['file.name.timestamp.timezone', 'Europe/Berlin', 'mapped', 'layout.aiven.fileNameTimestampTimezone: Europe/Berlin'],
  ['file.name.timestamp.timezone', 'Z', 'mapped', 'layout.aiven.fileNameTimestampTimezone: Z'],
  ['file.name.timestamp.source', 'EVENT', 'mapped', 'layout.aiven.fileNameTimestampSource: event'],
  ['format.output.type', 'csv', 'mapped', 'archive.format: csv'],
  ['format.output.type', 'jsonl', 'mapped', 'archive.format: value-json'],
  ['format.output.type', 'json', 'mapped', 'archive.format: value-json-array'],
  ['format.output.type', 'parquet', 'mapped', 'archive.format: value-parquet'],
  ['format.output.type', 'avro', 'mapped', 'archive.format: value-avro'],
  [
    'format.output.fields',
    'key,value,offset,timestamp,headers',
    'mapped',
    'archive.fields: ["key","value","offset","timestamp","headers"]',
  ],
  ['format.output.fields', 'Value, OFFSET', 'mapped', 'archive.fields: ["value","offset"]'],
  ['avro.codec', 'deflate', 'fixed'],
  ['key.converter', 'org.apache.kafka.connect.storage.StringConverter', 'fixed'],
  ['format.output.fields.value.encoding', 'base64', 'mapped', 'archive.valueEncoding: base64'],
  ['format.output.fields.value.encoding', 'none', 'mapped', 'archive.valueEncoding: text'],
  ['format.output.envelope', 'true', 'fixed'],
  ['aws.credentials.provider', 'com.amazonaws.auth.DefaultAWSCredentialsProviderChain', 'fixed'],
  ['aws.credentials.provider', 'com.acme.Provider', 'unsupported'],
  ['aws.s3.bucket.name', 'b', 'mapped', 's3.bucket: b'],
  ['aws.s3.endpoint', 'http://minio:9000', 'mapped', 's3.endpoint: http://minio:9000'],
  ['aws.s3.region', 'eu-central-1', 'mapped', 's3.region: eu-central-1'],
  ['aws.s3.prefix', 'p/{{utc_date}}/', 'mapped', 'layout.aiven.awsS3Prefix: p/{{utc_date}}/'],
  ['aws.s3.part.size.bytes', '5242880', 'mapped', 's3.partSize: 5242880'],
  ['aws.s3.sse.algorithm', 'AES256', 'mapped', 's3.encryption: AES256'],
  ['aws.sts.role.arn', 'arn', 'unsupported'],
  ['aws.sts.role.external.id', 'e', 'unsupported'],
  ['aws.sts.role.session.name', 's', 'unsupported'],
  ['aws.sts.role.session.duration', '3600', 'unsupported'],
  ['aws.sts.config.endpoint', 'http://sts', 'unsupported'],
  ['aws.s3.backoff.delay.ms', '100', 'fixed'],
  ['aws.s3.backoff.max.delay.ms', '20000', 'fixed'],
  ['aws.s3.backoff.max.retries', '3', 'fixed'],
  ['kafka.retry.backoff.ms', '1000', 'fixed'],
  ['offset.flush.interval.ms', '30000', 'mapped', 'archive.rotate.maxAge: 30000ms; archive.rotate.idle: 30000ms'],
  ['aws_s3_bucket', 'b', 'mapped', 's3.bucket: b'],
  ['aws_s3_endpoint', 'http://minio:9000', 'mapped', 's3.endpoint: http://minio:9000'],
  ['aws_s3_region', 'eu-west-1', 'mapped', 's3.region: eu-west-1'],
  ['aws_s3_prefix', 'p/', 'mapped', 'layout.aiven.awsS3Prefix: p/'],
  ['output_compression', 'none', 'mapped', 'archive.codec: null; layout.aiven.fileCompressionType: none'],
  ['output_fields', 'key,value', 'mapped', 'archive.fields: ["key","value"]'],
  ['timestamp.timezone', 'UTC', 'fixed'],
  ['timestamp.source', 'wallclock', 'fixed'],
])
describeCases("Aiven's keys", { ...AIVEN, ...KEYS }, [
  ['aws.access.key.id', 'AK', 'mapped', 's3.accessKeyId: AK'],
  ['aws.secret.access.key', 'SK', 'mapped', 's3.secretAccessKey: ${AWS_SECRET_ACCESS_KEY}'],
])
describeCases("Aiven's older keys", { ...AIVEN, aws_access_key_id: 'AK', aws_secret_access_key: 'SK' }, [
  ['aws_access_key_id', 'AK', 'mapped', 's3.accessKeyId: AK'],
  ['aws_secret_access_key', 'SK', 'mapped', 's3.secretAccessKey: ${AWS_SECRET_ACCESS_KEY}'],
])
describeCases("Aiven's JSON", { ...AIVEN, 'format.output.type': 'jsonl' }, [
  ['format.output.envelope', 'false', 'mapped', 'archive.envelope: false'],
  ['format.output.fields.value.encoding', 'base64', 'fixed'],
  ['format.output.fields', 'key,value,offset', 'mapped', 'archive.fields: ["offset","value","key"]'],
  ['file.compression.type', 'snappy', 'mapped', 'archive.codec: snappy; layout.aiven.fileCompressionType: snappy'],
])
const CONVERTERS = 'org.apache.kafka.connect'
describeCases(
  "Aiven's JSON with all fields",
  { ...AIVEN, 'format.output.type': 'jsonl', 'format.output.fields': 'key,headers' },
  [
    ['key.converter', `${CONVERTERS}.storage.StringConverter`, 'mapped', 'archive.keyEncoding: text'],
    ['key.converter', `${CONVERTERS}.converters.ByteArrayConverter`, 'mapped', 'archive.keyEncoding: base64'],
    ['key.converter', 'io.confluent.connect.avro.AvroConverter', 'unsupported'],
    ['header.converter', `${CONVERTERS}.storage.StringConverter`, 'mapped', 'archive.headersEncoding: json'],
    ['header.converter', `${CONVERTERS}.converters.ByteArrayConverter`, 'mapped', 'archive.headersEncoding: base64'],
    ['header.converter', `${CONVERTERS}.storage.SimpleHeaderConverter`, 'unsupported'],
  ],
)
const AVRO_VALUES = { ...AIVEN, 'value.converter': 'io.confluent.connect.avro.AvroConverter' }
describeCases("Aiven's JSON of Avro values", AVRO_VALUES, [['format.output.type', 'jsonl', 'unsupported']])
describeCases("Aiven's Avro", { ...AVRO_VALUES, 'format.output.type': 'avro' }, [
  ['format.output.envelope', 'true', 'unsupported'],
  ['format.output.envelope', 'false', 'fixed'],
  ['file.compression.type', 'none', 'fixed'],
  ['file.compression.type', 'gzip', 'unsupported'],
  ['avro.codec', 'snappy', 'mapped', 'archive.codec: snappy'],
  ['avro.codec', 'xz', 'unsupported'],
])
describeCases("Aiven's older prefix", { ...AIVEN, 'aws.s3.prefix': 'p/' }, [
  ['file.name.template', '{{topic}}-{{partition}}-{{start_offset}}.gz', 'fixed'],
  ['file.name.template', '{{topic}}-{{partition}}-{{start_offset}}-{{timestamp:unit=HH}}', 'unsupported'],
  ['timestamp.timezone', 'UTC', 'mapped', 'layout.aiven.fileNameTimestampTimezone: UTC'],
  ['timestamp.source', 'event', 'mapped', 'layout.aiven.fileNameTimestampSource: event'],
  ['file.name.timestamp.timezone', 'UTC', 'fixed'],
  ['file.name.timestamp.source', 'event', 'fixed'],
  ['output_compression', 'gzip', 'mapped', 'archive.codec: gzip; layout.aiven.fileCompressionType: gzip'],
])
describeCases(
  "Aiven's older names beside newer ones",
  { ...AIVEN, 'file.compression.type': 'zstd', 'format.output.fields': 'key' },
  [
    ['output_compression', 'gzip', 'fixed'],
    ['output_fields', 'value', 'fixed'],
  ],
)
describeCases("Aiven's sink for Google Cloud Storage", AIVEN_GCS, [
  ['gcs.bucket.name', 'b', 'mapped', 'gcs.bucket: b'],
  ['gcs.credentials.json', 'secret', 'mapped', 'gcs.credentialsJson: ${GCS_CREDENTIALS_JSON}'],
  ['gcs.credentials.path', '/k.json', 'mapped', 'gcs.credentials: /k.json'],
  ['gcs.credentials.default', 'true', 'fixed'],
  ['gcs.endpoint', 'http://gcs', 'mapped', 'gcs.endpoint: http://gcs'],
  ['gcs.object.content.encoding', 'gzip', 'unsupported'],
  ['gcs.user.agent', 'x', 'fixed'],
  ['gcs.retry.backoff.initial.delay.ms', '1000', 'fixed'],
  ['gcs.retry.backoff.max.delay.ms', '1000', 'fixed'],
  ['gcs.retry.backoff.delay.multiplier', '2', 'fixed'],
  ['gcs.retry.backoff.max.attempts', '6', 'fixed'],
  ['gcs.retry.backoff.total.timeout.ms', '50000', 'fixed'],
])
describeCases("Aiven's sink for Azure", AIVEN_AZURE, [
  ['azure.storage.connection.string', 'secret', 'mapped', 'azure.connectionString: ${AZURE_STORAGE_CONNECTION_STRING}'],
  ['azure.storage.container.name', 'c', 'mapped', 'azure.container: c'],
  ['azure.blob.prefix', 'p/', 'mapped', 'layout.aiven.fileNamePrefix: p/'],
  ['azure.user.agent', 'x', 'fixed'],
  ['azure.retry.backoff.max.attempts', '6', 'fixed'],
])

describe('migrateKafkaConnect', () => {
  it('gives the configuration of a whole sink', async () => {
    const migration = migrate({
      ...S3,
      ...KEYS,
      name: 'prism',
      'partitioner.class': 'io.confluent.connect.storage.partitioner.DailyPartitioner',
      'timestamp.extractor': 'RecordField',
      'timestamp.field': 'metric_date',
      timezone: 'UTC',
      locale: 'en',
      'value.converter.schema.registry.url': 'http://sr:8081',
      'consumer.override.security.protocol': 'SASL_SSL',
      'consumer.override.sasl.mechanism': 'PLAIN',
      'consumer.override.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="secret";',
    })
    const config = await loaded(migration)
    expect(config).toMatchObject({
      source: { type: 'kafka', topics: ['orders'], group: 'millpond-prism' },
      store: { type: 's3' },
      s3: { bucket: 'lake', region: 'us-west-2' },
      archive: { format: 'value-avro', codec: 'null', rotate: { maxCount: 250, exact: true, maxAgeMs: 86_400_000 } },
      layout: {
        type: 'confluent',
        nullValues: 'fail',
        confluent: { partitionerClass: 'DailyPartitioner', timestampField: 'metric_date' },
      },
      kafka: { brokers: ['localhost:9092'], sasl: { mechanism: 'PLAIN', username: 'me' }, tls: { verify: true } },
    })
    expect(JSON.stringify(migration)).not.toContain('secret"')
    expect(migration.variables.map(({ name }) => name)).toEqual(['AWS_SECRET_ACCESS_KEY', 'KAFKA_PASSWORD'])
  })

  it.each<readonly [string, readonly string[]]>([
    ['orders', ['orders']],
    ['orders.*', ['orders*']],
    ['^(a|b\\.c.*)$', ['a', 'b.c*']],
  ])('reads the pattern %s as %j', async (regex, topics) => {
    const migration = migrate({ ...S3, topics: undefined, 'topics.regex': regex })
    expect((await loaded(migration)).source.topics).toEqual(topics)
  })

  it('says where a pattern is more than it can say', async () => {
    const migration = migrate({ ...S3, topics: undefined, 'topics.regex': '[a-c]+' })
    expect(rowOf(migration, 'topics.regex')).toMatchObject({ outcome: 'unsupported' })
    expect((await loaded(migration)).source.topics).toEqual(['*'])
  })

  it("makes variables of what Connect's providers give", async () => {
    const migration = migrate({
      ...S3,
      's3.bucket.name': '${env:BUCKET}-x',
      's3.region': '${file:/etc/p:region}',
      'topics.dir': 'a${b',
    })
    expect(migration.config['s3']).toMatchObject({ bucket: '${BUCKET}-x', region: '${S3_REGION}' })
    expect(migration.variables).toEqual([
      { name: 'BUCKET', property: 's3.bucket.name' },
      { name: 'S3_REGION', property: 's3.region' },
    ])
    const config = await loaded(migration)
    expect(config.layout.confluent.topicsDir).toBe('a${b')
    expect(config.s3.bucket).toBe('value-of-it-x')
  })

  it('reads properties as Java does', async () => {
    const text = [
      '# a sink',
      '! of Aiven',
      'connector.class: io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector',
      'topics = orders,\\',
      '   payments',
      'aws.s3.bucket.name lake',
      'file.name.prefix=a\\u002Fb\\:c/',
      'format.output.type=jsonl',
    ].join('\r\n')
    const config = await loaded(migrateKafkaConnect(text))
    expect(config.source.topics).toEqual(['orders', 'payments'])
    expect(config.layout.aiven.fileNamePrefix).toBe('a/b:c/')
    expect(config.archive).toMatchObject({ format: 'value-json', codec: 'gzip' })
  })

  it.each([
    ['{', 'is no JSON'],
    ['a=b', 'names no connector.class'],
    ['connector.class=com.acme.Sink', 'com.acme.Sink is not known'],
  ])('refuses %s: %s', (text, reason) => {
    expect(() => migrateKafkaConnect(text)).toThrow(reason)
  })
})
