import type { TopicKind } from './corpus.ts'

/** Settings of the connector beside those that all have. */
export interface Case {
  readonly name: string
  readonly topic: TopicKind
  readonly properties: Readonly<Record<string, string>>
  /**
   * What differs by intent, as docs/layouts.md and docs/formats.md tell it: the records are those that the connector wrote for another case, all
   * messages of a path have one object, or messages are written another way, and only which ones an object holds is the same.
   */
  readonly differs?: { readonly sameAs: string } | 'joined by path' | 'same offsets'
}

const STRING = 'org.apache.kafka.connect.storage.StringConverter'
const BYTES = 'org.apache.kafka.connect.converters.ByteArrayConverter'
const JSON_VALUES = {
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
}
const ALL_FIELDS = 'key,value,offset,timestamp,headers'

/** What values of each topic are, as a worker's converters say it. */
export const CONVERTERS: Readonly<Record<TopicKind, Readonly<Record<string, string>>>> = {
  bytes: { 'key.converter': BYTES, 'value.converter': BYTES, 'header.converter': BYTES },
  json: { 'key.converter': STRING, ...JSON_VALUES, 'header.converter': STRING },
  late: { 'key.converter': STRING, ...JSON_VALUES, 'header.converter': STRING },
  text: { 'key.converter': STRING, 'value.converter': STRING, 'header.converter': STRING },
  avro: { 'key.converter': STRING, 'value.converter': 'io.confluent.connect.avro.AvroConverter', 'header.converter': STRING },
}

const csv = (fields: string, more: Readonly<Record<string, string>> = {}) => ({
  'format.output.type': 'csv',
  'format.output.fields': fields,
  'file.compression.type': 'none',
  ...more,
})
const jsonl = (fields: string, more: Readonly<Record<string, string>> = {}) => ({
  'format.output.type': 'jsonl',
  'format.output.fields': fields,
  'file.compression.type': 'none',
  ...more,
})
const BY_HOUR =
  'by/{{timestamp:unit=yyyy}}-{{timestamp:unit=MM}}-{{timestamp:unit=dd}}T{{timestamp:unit=HH}}/{{topic}}-{{partition}}-{{start_offset}}'
const EVENT = { 'file.name.timestamp.source': 'event' }

export const CASES: readonly Case[] = [
  { name: 'nothing said', topic: 'bytes', properties: {} },
  { name: 'csv, all fields', topic: 'bytes', properties: csv(ALL_FIELDS) },
  { name: 'csv, fields in another order', topic: 'bytes', properties: csv('timestamp,headers,key,offset,value') },
  {
    name: 'csv, value as it is',
    topic: 'bytes',
    properties: csv('key,value', { 'format.output.fields.value.encoding': 'none' }),
  },
  {
    name: 'csv, value alone as it is',
    topic: 'bytes',
    properties: csv('value', { 'format.output.fields.value.encoding': 'none' }),
  },
  {
    name: 'csv, text keys',
    differs: { sameAs: 'csv, all fields' },
    topic: 'bytes',
    properties: { ...csv(ALL_FIELDS), 'key.converter': STRING },
  },
  { name: 'csv, gzip', topic: 'bytes', properties: csv(ALL_FIELDS, { 'file.compression.type': 'gzip' }) },
  { name: 'csv, snappy', topic: 'bytes', properties: csv(ALL_FIELDS, { 'file.compression.type': 'snappy' }) },
  { name: 'csv, zstd', topic: 'bytes', properties: csv(ALL_FIELDS, { 'file.compression.type': 'zstd' }) },
  { name: 'jsonl, all fields of bytes', topic: 'bytes', properties: jsonl(ALL_FIELDS) },
  { name: 'jsonl, all fields', topic: 'json', properties: jsonl(ALL_FIELDS) },
  { name: 'jsonl, fields in another order', topic: 'json', properties: jsonl('timestamp,headers,key,offset,value') },
  { name: 'jsonl, value in an envelope', topic: 'json', properties: jsonl('value') },
  { name: 'jsonl, value alone', topic: 'json', properties: jsonl('value', { 'format.output.envelope': 'false' }) },
  { name: 'jsonl, key alone', topic: 'json', properties: jsonl('key', { 'format.output.envelope': 'false' }) },
  { name: 'jsonl, bytes as keys', topic: 'json', properties: { ...jsonl('key,value'), 'key.converter': BYTES } },
  { name: 'jsonl, headers of bytes', topic: 'json', properties: { ...jsonl('value,headers'), 'header.converter': BYTES } },
  { name: 'jsonl, headers of text', topic: 'json', properties: jsonl('value,headers') },
  {
    name: 'jsonl, headers as the worker has them',
    differs: { sameAs: 'jsonl, headers of text' },
    topic: 'json',
    properties: { ...jsonl('value,headers'), 'header.converter': 'org.apache.kafka.connect.storage.SimpleHeaderConverter' },
  },
  { name: 'jsonl, text values', topic: 'text', properties: jsonl(ALL_FIELDS) },
  { name: 'jsonl, text values alone', topic: 'text', properties: jsonl('value', { 'format.output.envelope': 'false' }) },
  {
    name: 'jsonl, values not encoded',
    topic: 'text',
    properties: jsonl('value', { 'format.output.fields.value.encoding': 'none' }),
  },
  { name: 'jsonl, gzip', topic: 'json', properties: jsonl(ALL_FIELDS, { 'file.compression.type': 'gzip' }) },
  { name: 'jsonl, snappy', topic: 'json', properties: jsonl(ALL_FIELDS, { 'file.compression.type': 'snappy' }) },
  { name: 'jsonl, zstd', topic: 'json', properties: jsonl(ALL_FIELDS, { 'file.compression.type': 'zstd' }) },
  { name: 'json', topic: 'json', properties: { ...jsonl(ALL_FIELDS), 'format.output.type': 'json' } },
  {
    name: 'json, value alone',
    topic: 'json',
    properties: { ...jsonl('value', { 'format.output.envelope': 'false' }), 'format.output.type': 'json' },
  },
  {
    name: 'avro',
    differs: { sameAs: 'avro, value alone' },
    topic: 'avro',
    properties: { 'format.output.type': 'avro', 'format.output.fields': 'value', 'file.compression.type': 'none' },
  },
  {
    name: 'avro, value alone',
    topic: 'avro',
    properties: {
      'format.output.type': 'avro',
      'format.output.fields': 'value',
      'format.output.envelope': 'false',
      'file.compression.type': 'none',
    },
  },
  {
    name: 'avro, value alone, gzip',
    differs: { sameAs: 'avro, value alone' },
    topic: 'avro',
    properties: {
      'format.output.type': 'avro',
      'format.output.fields': 'value',
      'format.output.envelope': 'false',
      'file.compression.type': 'gzip',
    },
  },
  {
    name: 'avro, value alone, codec',
    topic: 'avro',
    properties: {
      'format.output.type': 'avro',
      'format.output.fields': 'value',
      'format.output.envelope': 'false',
      'file.compression.type': 'none',
      'avro.codec': 'deflate',
    },
  },
  {
    name: 'avro, all fields',
    differs: 'same offsets',
    topic: 'avro',
    properties: {
      'format.output.type': 'avro',
      'format.output.fields': 'key,value,offset,timestamp',
      'file.compression.type': 'none',
    },
  },
  {
    name: 'parquet, value alone',
    topic: 'avro',
    properties: {
      'format.output.type': 'parquet',
      'format.output.fields': 'value',
      'format.output.envelope': 'false',
      'file.compression.type': 'none',
    },
  },
  {
    name: 'parquet, value alone, snappy',
    topic: 'avro',
    properties: {
      'format.output.type': 'parquet',
      'format.output.fields': 'value',
      'format.output.envelope': 'false',
      'file.compression.type': 'snappy',
    },
  },
  {
    name: 'parquet, all fields',
    differs: 'same offsets',
    topic: 'avro',
    properties: {
      'format.output.type': 'parquet',
      'format.output.fields': 'key,value,offset,timestamp',
      'file.compression.type': 'zstd',
    },
  },
  { name: 'records of a file', topic: 'bytes', properties: csv('offset,value', { 'file.max.records': '5' }) },
  { name: 'one record a file', topic: 'text', properties: jsonl('value', { 'file.max.records': '1' }) },
  {
    name: 'padding',
    topic: 'text',
    properties: jsonl('value', {
      'file.max.records': '5',
      'file.name.template': 'raw/{{ topic }}/{{partition:padding=true}}-{{start_offset:padding=true}}.jsonl',
    }),
  },
  {
    name: 'padding said to be none',
    topic: 'text',
    properties: jsonl('value', {
      'file.name.template': '{{topic}}/{{partition:padding=false}}/{{start_offset:padding=false}}.gz',
      'file.compression.type': 'gzip',
    }),
  },
  {
    name: 'by the hour',
    differs: { sameAs: 'by the hour, many records of a file' },
    topic: 'text',
    properties: jsonl('value', { 'file.name.template': BY_HOUR, ...EVENT }),
  },
  {
    name: 'by the hour, records of a file',
    topic: 'text',
    properties: jsonl('value', { 'file.name.template': BY_HOUR, ...EVENT, 'file.max.records': '3' }),
  },
  {
    name: 'by the hour, many records of a file',
    topic: 'text',
    properties: jsonl('value', { 'file.name.template': BY_HOUR, ...EVENT, 'file.max.records': '1000' }),
  },
  {
    name: 'by the hour in a zone',
    topic: 'text',
    properties: jsonl('value', {
      'file.name.template': BY_HOUR,
      ...EVENT,
      'file.max.records': '1000',
      'file.name.timestamp.timezone': 'Europe/Berlin',
    }),
  },
  {
    name: 'by the hour, late messages',
    differs: 'joined by path',
    topic: 'late',
    properties: jsonl('value', { 'file.name.template': BY_HOUR, ...EVENT, 'file.max.records': '1000' }),
  },
  {
    name: 'by the key',
    topic: 'late',
    properties: jsonl('value', { 'file.name.template': '{{topic}}/{{partition}}/{{key}}/{{start_offset}}' }),
  },
  {
    name: 'by the key, records of a file',
    topic: 'late',
    properties: jsonl('value', {
      'file.name.template': '{{topic}}/{{partition}}/{{key}}/{{start_offset}}',
      'file.max.records': '2',
    }),
  },
  { name: 'a prefix', topic: 'bytes', properties: csv('offset,value', { 'aws.s3.prefix': 'lake/raw/' }) },
  {
    name: 'a prefix, gzip, records of a file',
    topic: 'bytes',
    properties: csv('offset,value', { 'aws.s3.prefix': 'lake/', 'file.compression.type': 'gzip', 'file.max.records': '5' }),
  },
  {
    name: 'a prefix by time',
    topic: 'text',
    properties: jsonl('value', {
      'aws.s3.prefix': 'd={{timestamp:unit=dd}}/',
      'timestamp.source': 'event',
      'timestamp.timezone': 'Europe/Berlin',
    }),
  },
  {
    name: 'a prefix and a template',
    topic: 'text',
    properties: jsonl('value', { 'aws.s3.prefix': 'p/', 'file.name.template': 't/{{topic}}-{{partition}}-{{start_offset}}' }),
  },
  {
    name: 'older names',
    topic: 'bytes',
    properties: { output_fields: 'key,offset', output_compression: 'none', aws_s3_prefix: 'old/' },
  },
]

/** What the connector and `millpond migrate` are both told. */
export function propertiesOf({ name, topic, properties }: Case, said: Readonly<Record<string, string>>): Record<string, string> {
  const group = name.replaceAll(/\W+/gu, '-')
  return {
    name: group,
    'connector.class': 'io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector',
    'tasks.max': '1',
    ...CONVERTERS[topic],
    ...properties,
    ...said,
  }
}
