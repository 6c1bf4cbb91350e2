import type { ErrorCode } from '../../errors.ts'
import type { DescribedPart, Operation } from '../openapi/operation.ts'
import { answerOf, COUNT, listOf, mapOf, orNull, ref, requestOf, type Schema, TEXT, TRUTH, WHOLE } from '../openapi/schema.ts'
import { EMBEDDED_FORMATS, OFFERED } from './media-types.ts'

const TAG = 'kafka-rest'
const DOCUMENT = 'As version 2 of the Kafka REST proxy; docs/kafka-rest.md says what differs.'
const PARTITION: Schema = { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 }
const DIRECTORY_ERRORS = [
  'NOT_ACCEPTABLE',
  'BROKER_UNAVAILABLE',
  'BROKER_REFUSED',
  'LOG_UNAVAILABLE',
  'LOG_CORRUPT',
] as const satisfies readonly ErrorCode[]
const PRODUCE_ERRORS = [
  ...DIRECTORY_ERRORS,
  'MEDIA_TYPE_UNSUPPORTED',
  'JSON_INVALID',
  'SCHEMA_INVALID',
  'TOPIC_INVALID',
  'BODY_TOO_LARGE',
  'TOO_BUSY',
  'LOG_FULL',
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_REFUSED',
] as const satisfies readonly ErrorCode[]

/** Answers are the same JSON under each of these names. */
const answerContent = (schema: Schema) => Object.fromEntries(OFFERED.map((type) => [type, schema]))
const answer = (description: string, schema: Schema) => ({ 200: { description, content: answerContent(schema) } })
const errorContent = answerContent(ref('RestError'))

const schemas: Readonly<Record<string, Schema>> = {
  RestError: answerOf<{ readonly error_code: number; readonly message: string }>({ error_code: WHOLE, message: TEXT }, {}),
  RestRecords: requestOf(
    {
      records: {
        ...listOf(
          requestOf({
            key: { description: 'base64 text, any JSON, or JSON of Avro: as the content type says' },
            value: { description: 'as `key`' },
            partition: orNull(PARTITION),
            headers: {
              description: 'not of the proxy',
              anyOf: [
                { type: 'null' },
                mapOf(orNull(TEXT)),
                listOf(requestOf({ name: TEXT, value: orNull(TEXT), valueBase64: TEXT }, ['name'])),
              ],
            },
            timestamp: {
              description: 'milliseconds since 1970 or RFC 3339; not of the proxy',
              type: ['integer', 'string', 'null'],
            },
          }),
        ),
        minItems: 1,
      },
      key_schema: orNull(TEXT),
      key_schema_id: orNull(PARTITION),
      value_schema: orNull(TEXT),
      value_schema_id: orNull(PARTITION),
    },
    ['records'],
  ),
  RestOffsets: answerOf<{ readonly offsets: unknown; readonly key_schema_id: unknown; readonly value_schema_id: unknown }>(
    {
      offsets: listOf({
        type: 'object',
        properties: { partition: orNull(COUNT), offset: orNull(WHOLE), error_code: orNull(WHOLE), error: orNull(TEXT) },
      }),
      key_schema_id: orNull(WHOLE),
      value_schema_id: orNull(WHOLE),
    },
    {},
  ),
  RestPartition: answerOf<{ readonly partition: number; readonly leader: number; readonly replicas: unknown }>(
    {
      partition: COUNT,
      leader: WHOLE,
      replicas: listOf({ type: 'object', properties: { broker: WHOLE, leader: TRUTH, in_sync: TRUTH } }),
    },
    {},
  ),
  RestTopic: answerOf<{ readonly name: string; readonly configs: unknown; readonly partitions: unknown }>(
    { name: TEXT, configs: mapOf(TEXT), partitions: listOf(ref('RestPartition')) },
    {},
  ),
}

const telling = (id: string, summary: string, schema: Schema, errors: readonly ErrorCode[] = []): Operation => ({
  id,
  tag: TAG,
  summary,
  description: DOCUMENT,
  answers: answer(summary, schema),
  errors: [...DIRECTORY_ERRORS, ...errors],
  errorContent,
})

const produce = (id: string, summary: string): Operation => ({
  id,
  tag: TAG,
  summary,
  description: DOCUMENT,
  body: {
    isRequired: true,
    content: Object.fromEntries(
      EMBEDDED_FORMATS.map((format) => [`application/vnd.kafka.${format}.v2+json`, ref('RestRecords')]),
    ),
  },
  answers: {
    ...answer('what became of each record', ref('RestOffsets')),
    422: { description: 'there are no records, or they and their schemas do not fit', content: errorContent },
  },
  errors: [...PRODUCE_ERRORS, 'TOPIC_UNKNOWN', 'LANE_UNKNOWN'],
  errorContent,
})

/** The calls of Kafka's REST proxy as the description of the interface has them. */
export const describedKafkaRest: DescribedPart = {
  schemas,
  operations: {
    'GET /': telling('restRoot', 'Answer that the proxy is there', { type: 'object' }),
    'POST /': telling('restRootByPost', 'Answer that the proxy is there', { type: 'object' }, [
      'BODY_TOO_LARGE',
      'MEDIA_TYPE_UNSUPPORTED',
      'TOO_BUSY',
    ]),
    'GET /brokers': telling(
      'restBrokers',
      'List the numbers of the brokers',
      answerOf<{ readonly brokers: unknown }>({ brokers: listOf(WHOLE) }, {}),
    ),
    'GET /topics': telling('restTopics', 'List the names of topics of the source', listOf(TEXT)),
    'GET /topics/:topic': telling('restTopic', 'Show a topic of the source', ref('RestTopic'), ['TOPIC_UNKNOWN']),
    'GET /topics/:topic/partitions': telling('restPartitions', 'List the partitions of a topic', listOf(ref('RestPartition')), [
      'TOPIC_UNKNOWN',
    ]),
    'GET /topics/:topic/partitions/:partition': telling('restPartition', 'Show a partition', ref('RestPartition'), [
      'TOPIC_UNKNOWN',
      'LANE_UNKNOWN',
    ]),
    'GET /topics/:topic/partitions/:partition/offsets': telling(
      'restOffsets',
      'Tell the first and the next position of a partition',
      answerOf<{ readonly beginning_offset: number; readonly end_offset: number }>(
        { beginning_offset: WHOLE, end_offset: WHOLE },
        {},
      ),
      ['TOPIC_UNKNOWN', 'LANE_UNKNOWN'],
    ),
    'POST /topics/:topic': produce('restProduce', 'Put records into a topic'),
    'POST /topics/:topic/partitions/:partition': produce('restProducePartition', 'Put records into a partition'),
  },
}
