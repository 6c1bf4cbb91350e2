import type { PartState, ReadinessReport } from '../readiness.ts'
import type { TakenRun } from '../../sink/inlet.ts'
import { BODY_ERRORS, type DescribedPart, JSON_CONTENT, jsonAnswer } from './operation.ts'
import {
  answerOf,
  BASE64,
  COUNT,
  listOf,
  mapOf,
  MOMENT,
  oneOf,
  orNull,
  ref,
  requestOf,
  type Schema,
  TEXT,
  told,
  TRUTH,
  WHOLE,
} from './schema.ts'

const TAG = 'service'
const LINES_CONTENT = 'application/x-ndjson'

const readinessSchema = answerOf<ReadinessReport>(
  {
    ready: TRUTH,
    state: oneOf('green', 'amber', 'red'),
    parts: mapOf(answerOf<PartState>({ state: oneOf('green', 'amber', 'red'), why: TEXT }, {})),
  },
  {},
)

const header: Schema = {
  type: 'object',
  properties: { name: TEXT, nameBase64: BASE64, value: orNull(TEXT), valueBase64: BASE64 },
}
const content: Readonly<Record<string, Schema>> = {
  key: orNull(TEXT),
  keyBase64: told(BASE64, 'a key that is no UTF-8'),
  value: { description: 'any JSON; kept byte for byte as it is written' },
  valueText: told(TEXT, 'a value that is UTF-8 but no JSON'),
  valueBase64: told(BASE64, 'any other value'),
}

/** What `search` gives has it; here it has to be UTF-8. */
const TEXT_BASE64: Schema = { type: 'string', contentEncoding: 'base64', format: 'utf-8-in-base64' }
const newHeader: Schema = {
  ...requestOf({ name: TEXT, nameBase64: TEXT_BASE64, value: orNull(TEXT), valueBase64: BASE64 }),
  oneOf: [{ required: ['name'] }, { required: ['nameBase64'] }],
  not: { required: ['value', 'valueBase64'] },
}
const IGNORED: Schema = { description: 'means nothing here' }
/** A message has only one of these. */
const TWICE = [
  ['key', 'keyBase64'],
  ['id', 'idBase64'],
  ['value', 'valueText'],
  ['value', 'valueBase64'],
  ['valueText', 'valueBase64'],
]
const TIMESTAMP: Schema = {
  description: 'milliseconds since 1970, or RFC 3339; the time of its arrival unless given',
  anyOf: [
    { type: 'integer', minimum: -8_640_000_000_000_000, maximum: 8_640_000_000_000_000 },
    { type: 'string', format: 'date-time' },
  ],
}

const schemas: Readonly<Record<string, Schema>> = {
  Message: {
    type: 'object',
    description: 'a message of the archive, see docs/formats.md; what is null or was not asked for may be left out',
    properties: {
      topic: TEXT,
      lane: TEXT,
      position: COUNT,
      timestamp: MOMENT,
      id: TEXT,
      idBase64: BASE64,
      headers: listOf(header),
      ...content,
    },
  },
  NewMessage: {
    ...requestOf({
      ...content,
      id: orNull(TEXT),
      idBase64: TEXT_BASE64,
      headers: { anyOf: [listOf(newHeader), mapOf(orNull(TEXT))] },
      timestamp: TIMESTAMP,
      topic: IGNORED,
      lane: IGNORED,
      position: IGNORED,
    }),
    description: 'a message to be put; all of it may be left out',
    not: { anyOf: TWICE.map((required) => ({ required })) },
  },
  Taken: answerOf<{ readonly count: number; readonly lanes: unknown; readonly positions?: unknown }>(
    { count: COUNT, lanes: listOf(answerOf<TakenRun>({ lane: TEXT, firstPosition: WHOLE, count: COUNT }, {})) },
    {
      positions: told(
        listOf(answerOf<{ readonly lane: string; readonly position: number }>({ lane: TEXT, position: WHOLE }, {})),
        'of each message, where there are no more than a hundred',
      ),
    },
  ),
}

const MESSAGE_HEADERS = {
  'millpond-key': told(TEXT, 'the key of a raw message, UTF-8'),
  'millpond-key-base64': told(BASE64, 'a key that is no text'),
  'millpond-id': told(TEXT, 'the id of a raw message'),
  'millpond-timestamp': {
    description: 'of a raw message: milliseconds since 1970, or RFC 3339',
    anyOf: [
      { type: 'string', pattern: '^-?[0-9]{1,15}$' },
      { type: 'string', format: 'date-time' },
    ],
  },
}

/** How large requests to put messages may be. */
export interface MessageLimits {
  readonly maxBodyBytes: number
  readonly maxMessageBytes: number
}

/** Messages that come in, probes, and the description itself. */
export function describeService({ maxBodyBytes, maxMessageBytes }: MessageLimits): DescribedPart {
  return {
    schemas,
    operations: {
      'POST /topics/:topic/messages': {
        id: 'putMessages',
        tag: 'messages',
        summary: 'Put messages into a topic',
        description: `The answer comes when they are durable; a request is taken as a whole or not at all. Any other content type is the value of one message, which \`millpond-*\` headers say the rest of: also \`millpond-header-NAME\` for each header. A body has ${maxBodyBytes} bytes at the most, a message ${maxMessageBytes}.`,
        path: { topic: { type: 'string', minLength: 1, maxLength: 1024, description: 'any text of 1 to 1,024 bytes' } },
        query: { format: told(oneOf('lines'), 'a line is the value of a message, whatever the content type') },
        headers: MESSAGE_HEADERS,
        body: {
          isRequired: false,
          content: {
            [JSON_CONTENT]: {
              anyOf: [
                ref('NewMessage'),
                listOf(ref('NewMessage')),
                { type: 'object', required: ['messages'], properties: { messages: listOf(ref('NewMessage')) } },
              ],
            },
            [LINES_CONTENT]: told(TEXT, 'a `NewMessage` a line; blank lines are skipped'),
            'text/plain': told(TEXT, 'the value of one message'),
            'application/octet-stream': { description: 'the value of one message' },
          },
        },
        answers: { 200: jsonAnswer('taken, and durable', ref('Taken')) },
        errors: [
          ...BODY_ERRORS,
          'JSON_INVALID',
          'TOPIC_INVALID',
          'MESSAGE_TOO_LARGE',
          'LOG_UNAVAILABLE',
          'LOG_FULL',
          'LOG_CORRUPT',
          'BROKER_UNAVAILABLE',
          'BROKER_REFUSED',
          'DELIVERY_FAILED',
          'STOPPED',
        ],
      },
      'GET /healthz': {
        id: 'health',
        tag: TAG,
        summary: 'Tell that the process runs',
        answers: { 200: jsonAnswer('it runs', answerOf<{ readonly status: 'ok' }>({ status: { const: 'ok' } }, {})) },
        errors: [],
      },
      'GET /readyz': {
        id: 'readiness',
        tag: TAG,
        summary: 'Tell how each part is',
        answers: {
          200: jsonAnswer('all parts work, some perhaps with trouble (`amber`)', readinessSchema),
          503: jsonAnswer('a part does not work (`red`)', readinessSchema),
        },
        errors: [],
      },
      'GET /metrics': {
        id: 'metrics',
        tag: TAG,
        summary: 'Tell metrics for Prometheus',
        answers: { 200: { description: 'the text format of Prometheus', content: { 'text/plain': TEXT } } },
        errors: [],
      },
      'GET /openapi.json': {
        id: 'describe',
        tag: TAG,
        summary: 'Tell this description',
        answers: { 200: jsonAnswer('an OpenAPI document', { type: 'object' }) },
        errors: [],
      },
    },
  }
}
