import { FILTER_FIELDS, LIMITS, type Operator } from '../../search/filter-json.ts'
import type { Estimate } from '../../search/count.ts'
import { BODY_ERRORS, type DescribedPart, JSON_CONTENT, jsonAnswer, type Operation, READ_ERRORS } from '../openapi/operation.ts'
import {
  answerOf,
  BASE64,
  COUNT,
  listOf,
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
} from '../openapi/schema.ts'
import type { SearchLimits } from './limits.ts'
import type { QueryName } from './query-string.ts'
import { LINE_FIELDS, type PresentationName, type SelectionName } from './request.ts'
import type { SearchEnd } from './run.ts'
import type { showTopic, TopicSummary } from './topics.ts'

const TAG = 'search'
const LINES_CONTENT = 'application/x-ndjson'
const SEARCH_ERRORS = ['INPUT_INVALID', 'JQ_INVALID', 'TOPIC_UNKNOWN', 'SEARCH_TOO_LARGE', 'TOO_BUSY', ...READ_ERRORS] as const

const LIMIT: Schema = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'messages, at the most' }
const POSITION: Schema = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
const BYTES: Schema = {
  description: 'text, compared as UTF-8, or bytes in base64',
  oneOf: [TEXT, requestOf({ base64: BASE64 }, ['base64'])],
}
const TIME: Schema = {
  type: ['string', 'number'],
  format: 'millpond-time',
  description: 'RFC 3339 with any offset, milliseconds since 1970, `-1h` for an hour ago, or `now`',
  examples: ['2026-11-21T08:00:00+01:00', 1_795_248_000_000, '-1h', 'now'],
}
const INSTANT: Schema = {
  type: ['string', 'number'],
  format: 'millpond-instant',
  description: 'RFC 3339 with any offset, or milliseconds since 1970',
}
const POSITIONS = requestOf({ from: POSITION, to: POSITION })
const ORDER = told(oneOf('lane', 'time'), 'lane after lane, each by position; or lanes merged by timestamp')
const CURSOR = told(TEXT, '`next` of an answer: goes on there')
const FORMAT = told(oneOf('lines', 'page'), 'without it `Accept: application/json` asks for a page; else lines')
const FIELDS = told(listOf(oneOf(...LINE_FIELDS)), 'these parts of messages alone')
const DECODE = told(TRUTH, 'values of registered schemas as JSON')
const WHERE: Schema = { type: 'string', format: 'jq', description: 'a jq program over the value, see docs/jq.md' }

const selection: Readonly<Record<SelectionName, Schema>> = {
  topic: TEXT,
  topicId: told(TEXT, 'the identity of a topic, where one name had several'),
  lanes: listOf(TEXT),
  positions: told(POSITIONS, '`to` is out'),
  from: TIME,
  to: told(TIME, 'is out; a time as `from`'),
  id: BYTES,
  ids: told(listOf(BYTES), 'one of these'),
  key: BYTES,
  keys: told(listOf(BYTES), 'one of these'),
  headers: {
    type: 'object',
    description: 'by name: a value, one of several, or whether it is there',
    additionalProperties: { oneOf: [TRUTH, ...(BYTES['oneOf'] as Schema[]), listOf(BYTES)] },
  },
  where: WHERE,
  filter: ref('Filter'),
  order: ORDER,
}
const presentation: Readonly<Record<PresentationName, Schema>> = {
  limit: LIMIT,
  cursor: CURSOR,
  format: FORMAT,
  fields: FIELDS,
  decode: DECODE,
}

const asked: Readonly<Record<Exclude<QueryName, PresentationName>, Schema>> = {
  topic: TEXT,
  topicId: selection.topicId,
  lane: told(listOf(TEXT), 'one of these'),
  position: {
    type: 'string',
    pattern: String.raw`^(?:[0-9]{1,15}|[0-9]{1,15}\.\.[0-9]{0,15}|\.\.[0-9]{1,15})$`,
    description: '`5..9` (9 is out), `5..`, `..9`, or `5` alone',
  },
  from: { ...TIME, type: 'string', examples: ['2026-11-21T08:00:00+01:00', '-1h'] },
  to: { ...TIME, type: 'string', examples: ['now'], description: 'is out; a time as `from`' },
  id: told(listOf(TEXT), 'one of these'),
  key: told(listOf(TEXT), 'one of these'),
  keyBase64: told(BASE64, 'a key that is no text'),
  header: told(listOf(TEXT), '`NAME=VALUE`, `NAME!=VALUE`, `NAME^=PREFIX`, `NAME` (it is there) or `!NAME`'),
  where: WHERE,
  filter: { contentMediaType: JSON_CONTENT, ...ref('Filter') },
  order: ORDER,
}

/** A part of a filter that tests a field; what the field is says what it is compared with. */
function fieldPart(field: Schema, value: Schema): Schema {
  const tests: Readonly<Record<Exclude<Operator, 'prefix'>, Schema>> = {
    equals: value,
    in: listOf(value),
    gt: value,
    gte: value,
    lt: value,
    lte: value,
    exists: TRUTH,
  }
  const prefix = value === BYTES ? { prefix: BYTES } : {}
  return { ...requestOf({ field, ...tests, ...prefix }, ['field']), minProperties: 2 }
}

const TEXTS = FILTER_FIELDS.filter((name) => name !== 'position' && name !== 'timestamp')

const schemas: Readonly<Record<string, Schema>> = {
  Selection: told(requestOf(selection), 'Which messages are meant: all that is given must hold.'),
  TimelessSelection: told(
    requestOf(Object.fromEntries(Object.entries(selection).filter(([name]) => name !== 'from' && name !== 'to'))),
    'Which messages are meant, whenever they were sent.',
  ),
  Search: requestOf({ ...selection, ...presentation }),
  Filter: {
    description: `What must hold of a message. It nests ${LIMITS.depth} deep at the most, with ${LIMITS.parts} parts and ${LIMITS.operands} values.`,
    oneOf: [
      requestOf({ and: listOf(ref('Filter')) }, ['and']),
      requestOf({ or: listOf(ref('Filter')) }, ['or']),
      requestOf({ not: ref('Filter') }, ['not']),
      requestOf({ jq: WHERE }, ['jq']),
      fieldPart({ const: 'position' }, { type: 'number' }),
      fieldPart({ const: 'timestamp' }, INSTANT),
      fieldPart({ type: 'string', pattern: `^(?:(?:${TEXTS.join('|')})$|header:)` }, BYTES),
    ],
  },
  SearchEnd: {
    ...answerOf<SearchEnd & { readonly end: true }>(
      {
        end: { const: true },
        next: told(orNull(TEXT), 'the cursor to go on with; null where all was given'),
        stopped: orNull(oneOf('limit', 'bytes', 'time')),
        stats: answerOf<SearchEnd['stats']>(
          { messages: COUNT, bytesRead: COUNT, blocksRead: COUNT, milliseconds: { type: 'number' } },
          {},
        ),
      },
      {},
    ),
    description: 'the last line of a search; where there is none, or one with `error`, the answer is not whole',
  },
  SearchPage: answerOf<Pick<SearchEnd, 'next' | 'stopped' | 'stats'> & { readonly messages: unknown }>(
    {
      messages: listOf(ref('Message')),
      next: orNull(TEXT),
      stopped: orNull(oneOf('limit', 'bytes', 'time')),
      stats: { type: 'object' },
    },
    {},
  ),
  Estimate: answerOf<Estimate>({ lanes: COUNT, segments: COUNT, blocks: COUNT, bytes: COUNT, messages: COUNT, exact: TRUTH }, {}),
  ArchivedTopic: topicSchema(COUNT),
  ArchivedTopicLanes: topicSchema(
    listOf(
      answerOf<Awaited<ReturnType<typeof showTopic>>[number]['lanes'][number]>(
        {
          lane: TEXT,
          firstPosition: WHOLE,
          nextPosition: WHOLE,
          messages: COUNT,
          missing: COUNT,
          segments: COUNT,
          bytes: COUNT,
          minTimestamp: orNull(MOMENT),
          maxTimestamp: orNull(MOMENT),
        },
        {},
      ),
    ),
  ),
}

function topicSchema(lanes: Schema): Schema {
  return answerOf<TopicSummary>(
    {
      topic: TEXT,
      topicId: TEXT,
      lanes,
      messages: COUNT,
      missing: COUNT,
      deadLettered: COUNT,
      segments: COUNT,
      bytes: COUNT,
      minTimestamp: orNull(MOMENT),
      maxTimestamp: orNull(MOMENT),
    },
    {},
  )
}

/** The search as the description of the interface has it. */
export function describeSearch({ maxMessages, maxPageMessages }: SearchLimits): DescribedPart {
  const limit = `messages, at the most; ${maxMessages} as lines and ${maxPageMessages} in a page are given whatever it says`
  const shown = { ...presentation, limit: { ...LIMIT, maximum: 10 ** 15 - 1, description: limit } }
  return {
    schemas,
    operations: {
      ...both('/search', 'search', SEARCH, { query: { ...asked, ...shown }, body: 'Search' }),
      ...both('/search/count', 'countMessages', COUNTING, { query: asked, body: 'Selection' }),
      ...both('/search/estimate', 'estimateSearch', ESTIMATING, { query: asked, body: 'Selection' }),
      ...archiveOperations,
    },
  }
}

type Asking = Pick<Operation, 'summary' | 'description' | 'answers'>

const SEARCH: Asking = {
  summary: 'Find messages',
  description:
    'As lines: each is a `Message`, the last one is a `SearchEnd`, or an `Error` where something failed on the way. As a page: one JSON text. docs/search.md says more.',
  answers: {
    200: {
      description: 'messages as they are found, or a page of them',
      content: {
        [LINES_CONTENT]: told(TEXT, 'lines of `Message` and, at the end, `SearchEnd`'),
        [JSON_CONTENT]: ref('SearchPage'),
      },
    },
  },
}
const COUNTING: Asking = {
  summary: 'Count messages, exactly',
  answers: {
    200: jsonAnswer(
      'how many there are',
      answerOf<{ readonly count: number; readonly stats: unknown }>({ count: COUNT, stats: { type: 'object' } }, {}),
    ),
  },
}
const ESTIMATING: Asking = {
  summary: 'Tell what a search would read',
  description: 'By the index and look-up filters alone.',
  answers: { 200: jsonAnswer('`messages` is the most that can match, and all that do where it is `exact`', ref('Estimate')) },
}

/** A search is asked in a query string or in a body. */
function both(
  url: string,
  id: string,
  asking: Asking,
  { query, body }: { readonly query: Readonly<Record<string, Schema>>; readonly body: string },
): Readonly<Record<string, Operation>> {
  const content = { [JSON_CONTENT]: ref(body) }
  return {
    [`GET ${url}`]: { ...asking, id, tag: TAG, query, errors: SEARCH_ERRORS },
    [`POST ${url}`]: {
      ...asking,
      id: `${id}ByBody`,
      tag: TAG,
      body: { isRequired: true, content },
      errors: [...SEARCH_ERRORS, ...BODY_ERRORS],
    },
  }
}

const archiveOperations: Readonly<Record<string, Operation>> = {
  'GET /archive/topics': {
    id: 'listArchivedTopics',
    tag: TAG,
    summary: 'List the topics of the archive that the caller may read',
    answers: { 200: jsonAnswer('topics', topicsOf('ArchivedTopic')) },
    errors: ['INDEX_UNAVAILABLE', 'INDEX_CORRUPT'],
  },
  'GET /archive/topics/:topic': {
    id: 'showArchivedTopic',
    tag: TAG,
    summary: 'Show a topic of the archive with its lanes',
    answers: { 200: jsonAnswer('the topic; several where the name had several identities', topicsOf('ArchivedTopicLanes')) },
    errors: ['TOPIC_UNKNOWN', 'INDEX_UNAVAILABLE', 'INDEX_CORRUPT'],
  },
  'GET /archive/topics/:topic/lanes/:lane/messages/:position': {
    id: 'showMessage',
    tag: TAG,
    summary: 'Show one message by where it lies',
    query: { topicId: selection.topicId, decode: DECODE },
    answers: { 200: jsonAnswer('the message', ref('Message')) },
    errors: ['INPUT_INVALID', 'TOPIC_UNKNOWN', 'LANE_UNKNOWN', 'NOT_FOUND', ...READ_ERRORS],
  },
}

function topicsOf(name: string): Schema {
  return answerOf<{ readonly topics: unknown }>({ topics: listOf(ref(name)) }, {})
}
