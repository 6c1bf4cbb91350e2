import {
  REPLAY_STATES,
  type FunctionFile,
  type PlannedReplay,
  type ReplayCounts,
  type ReplayFailure,
  type ReplayJob,
  type ReplayOptions,
  type ReplaySummary,
  type ReplayTarget,
} from '../../replay/job.ts'
import type { JobError, ReplayPart } from '../../replay/part.ts'
import type { Refused } from '../../replay/refused.ts'
import type { QueryRecord } from '../../replay/query-record.ts'
import type { HeaderRemap } from '../../replay/remap.ts'
import { type ErrorCode } from '../../errors.ts'
import { BODY_ERRORS, type DescribedPart, JSON_CONTENT, jsonAnswer, type Operation } from '../openapi/operation.ts'
import {
  answerOf,
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
} from '../openapi/schema.ts'
import { LIMIT, someOf } from './page-query.ts'
import { jobSchemas } from './request.ts'
import { CURSOR } from './routes.ts'

const TAG = 'jobs'
/** The id of a job. */
export const JOB_ID: Schema = told(TEXT, 'the id of the job')
/** What can go wrong with jobs and schedules wherever they are stored. */
export const STORE_ERRORS = ['JOBS_UNAVAILABLE', 'JOBS_CORRUPT'] as const satisfies readonly ErrorCode[]
/** What can go wrong when a job is planned. */
export const PLAN_ERRORS = [
  ...BODY_ERRORS,
  'JQ_INVALID',
  'TOPIC_UNKNOWN',
  'LANE_UNKNOWN',
  'FUNCTION_INVALID',
  'REPLAY_LOOP',
  'FORMAT_NOT_READABLE',
  'INDEX_UNAVAILABLE',
  'INDEX_CORRUPT',
  ...STORE_ERRORS,
] as const satisfies readonly ErrorCode[]

const RANGE = answerOf<NonNullable<QueryRecord['positions']>>({}, { from: WHOLE, to: WHOLE })
/** Why a job or a part of it failed or was interrupted. */
export const JOB_ERROR = orNull(answerOf<JobError>({ code: TEXT, message: TEXT }, {}))
const partition = { oneOf: [oneOf('lane', 'key'), COUNT, { type: 'object' }] }

/** What a job is asked to do, as schemas. */
export const requestSchemas: Readonly<Record<'query' | 'target' | 'options', Schema>> = {
  query: answerOf<QueryRecord>(
    {},
    {
      topic: TEXT,
      topicId: TEXT,
      lanes: listOf(TEXT),
      positions: RANGE,
      timestamps: RANGE,
      layout: mapOf(TEXT),
      id: TEXT,
      keyBase64: TEXT,
      headers: listOf({ type: 'object' }),
      filter: { type: 'object' },
    },
  ),
  target: answerOf<ReplayTarget>(
    { kind: TEXT },
    { topic: TEXT, topics: mapOf(TEXT), path: TEXT, url: TEXT, format: TEXT, partition, headers: mapOf(TEXT) },
  ),
  options: answerOf<ReplayOptions>(
    {
      marks: TRUTH,
      dryRun: TRUTH,
      allowLoop: TRUTH,
      keys: oneOf('keep', 'drop'),
      headers: oneOf('keep', 'drop'),
      timestamps: oneOf('original', 'now'),
    },
    {
      rateMessagesPerSecond: { type: 'number' },
      order: oneOf('lane', 'key', 'none'),
      split: { type: 'number' },
      headerRemap: answerOf<HeaderRemap>({}, { drop: listOf(TEXT), rename: mapOf(TEXT), set: mapOf(TEXT) }),
      function: answerOf<FunctionFile>({ path: TEXT, sha256: TEXT }, {}),
    },
  ),
}

/** What the index said that a job selects. */
export const PLANNED = answerOf<PlannedReplay>(
  { segments: COUNT, blocks: COUNT, bytes: COUNT, messages: COUNT, exact: TRUTH },
  {},
)
const POSITIONS = listOf({ oneOf: [WHOLE, { type: 'array', items: WHOLE, minItems: 2, maxItems: 2 }] })

const summary: Readonly<Record<keyof ReplaySummary, Schema>> = {
  id: TEXT,
  state: oneOf(...REPLAY_STATES),
  ...requestSchemas,
  createdMs: MOMENT,
  startedMs: told(orNull(WHOLE), 'when the first worker was ready to deliver'),
  endedMs: told(orNull(WHOLE), 'when it ended for good, or failed'),
  requestedBy: orNull(TEXT),
  note: orNull(TEXT),
  key: orNull(TEXT),
  retryOf: told(orNull(TEXT), 'the job whose refused messages this one sends again'),
  planned: PLANNED,
  counts: ref('JobCounts'),
  error: JOB_ERROR,
  workers: oneOf('one', 'many'),
  offered: told(TRUTH, 'whether workers that name no job take parts of it'),
  wish: oneOf('run', 'pause', 'cancel'),
  partCount: COUNT,
  partsDone: COUNT,
  leaseUntilMs: orNull(WHOLE),
}

const job: Schema = answerOf<ReplayJob>(
  {
    ...summary,
    parts: listOf(ref('JobPart')),
    failures: told(
      listOf(answerOf<ReplayFailure>({ topic: TEXT, lane: TEXT, position: WHOLE, reason: TEXT }, { topicId: TEXT })),
      'messages that the target refused; the first thousand, `counts.failed` counts all',
    ),
  },
  {},
)

const schemas: Readonly<Record<string, Schema>> = {
  JobRequest: requestOf(
    { select: told(ref('Selection'), 'which messages, as a search says it; `{}` is all of them'), ...jobSchemas },
    ['select', 'to'],
  ),
  JobSummary: answerOf<ReplaySummary>(summary, {}),
  Job: job,
  JobCounts: answerOf<ReplayCounts>({ read: COUNT, delivered: COUNT, failed: COUNT, bytes: COUNT }, {}),
  JobPart: answerOf<ReplayPart>(
    {
      job: TEXT,
      part: COUNT,
      lane: answerOf<ReplayPart['lane']>({ topic: TEXT, topicId: TEXT, lane: TEXT }, {}),
      fromPosition: WHOLE,
      toPosition: WHOLE,
      shard: orNull(answerOf<NonNullable<ReplayPart['shard']>>({ index: COUNT, count: COUNT }, {})),
      only: told(orNull(POSITIONS), 'these positions alone'),
      share: orNull(TEXT),
      after: listOf(COUNT),
      nextPosition: told(WHOLE, 'everything below is dealt with'),
      counts: ref('JobCounts'),
      state: oneOf('open', 'done', 'failed'),
      owner: orNull(TEXT),
      leaseUntilMs: orNull(WHOLE),
      attempts: COUNT,
      notBeforeMs: orNull(WHOLE),
      error: JOB_ERROR,
      version: COUNT,
    },
    {
      refused: told(
        answerOf<Refused>({ at: POSITIONS, count: COUNT, clearTo: WHOLE }, {}),
        'where what the target refused lies, and how many of it that is; what found no place there is in `counts.failed` alone',
      ),
    },
  ),
}

const LINKS = ['showJob', 'watchJob', 'pauseJob', 'resumeJob', 'cancelJob', 'retryJob']

const made = (description: string, schema: Schema) => ({
  ...jsonAnswer(description, schema),
  headers: { location: TEXT },
  links: LINKS,
})

const steering = (id: string, summaryText: string): Operation => ({
  id,
  tag: TAG,
  summary: summaryText,
  path: { id: JOB_ID },
  answers: { 200: jsonAnswer('the job as it is now', ref('JobSummary')) },
  errors: ['JOB_UNKNOWN', 'JOB_CONFLICT', ...BODY_ERRORS, ...STORE_ERRORS],
})

const event: Schema = answerOf<{ readonly event: string; readonly data: string }>(
  {
    event: oneOf('progress', 'end'),
    data: { type: 'string', contentMediaType: JSON_CONTENT, contentSchema: ref('JobSummary') },
  },
  {},
)

const retried: Schema = {
  allOf: [
    ref('Job'),
    answerOf<{ readonly beyond: number }>(
      { beyond: told(COUNT, 'refused messages that are only counted: they lie in too many places') },
      {},
    ),
  ],
}

/** Replay jobs as the description of the interface has them. */
export const describedJobs: DescribedPart = {
  schemas,
  operations: {
    'POST /jobs': {
      id: 'makeJob',
      tag: TAG,
      summary: 'Make a replay job',
      description: 'Workers do it. To send to an address the caller needs `admin`.',
      headers: { 'idempotency-key': told(jobSchemas['key']!, 'a second job with the same key is the first one') },
      body: { isRequired: true, content: { [JSON_CONTENT]: ref('JobRequest') } },
      answers: { 201: made('made', ref('Job')), 200: made('made with that key before', ref('Job')) },
      errors: PLAN_ERRORS,
    },
    'GET /jobs': {
      id: 'listJobs',
      tag: TAG,
      summary: 'List jobs, the newest first',
      query: {
        state: someOf(REPLAY_STATES),
        limit: LIMIT,
        cursor: { type: 'string', pattern: CURSOR.source, description: '`next` of the page before' },
      },
      answers: {
        200: jsonAnswer(
          'jobs of topics that the caller may replay',
          answerOf<{ readonly jobs: unknown; readonly next: unknown }>(
            { jobs: listOf(ref('JobSummary')), next: orNull(TEXT) },
            {},
          ),
        ),
      },
      errors: ['INPUT_INVALID', ...STORE_ERRORS],
    },
    'GET /jobs/:id': {
      id: 'showJob',
      tag: TAG,
      summary: 'Show a job with its parts and what was refused',
      path: { id: JOB_ID },
      answers: { 200: jsonAnswer('the job', ref('Job')) },
      errors: ['JOB_UNKNOWN', ...STORE_ERRORS],
    },
    'GET /jobs/:id/events': {
      id: 'watchJob',
      tag: TAG,
      summary: 'Watch a job until it ends',
      path: { id: JOB_ID },
      answers: {
        200: {
          description:
            'server-sent events: `progress` whenever the job has changed, `end` with what it came to; each with a `JobSummary`',
          content: { 'text/event-stream': event },
        },
      },
      errors: ['JOB_UNKNOWN', 'TOO_BUSY', ...STORE_ERRORS],
    },
    'POST /jobs/:id/pause': steering('pauseJob', 'Let a job rest'),
    'POST /jobs/:id/resume': steering('resumeJob', 'Let a job go on'),
    'POST /jobs/:id/cancel': steering('cancelJob', 'End a job for good'),
    'POST /jobs/:id/retry': {
      ...steering('retryJob', 'Make a job of the messages that were refused'),
      answers: { 201: made('made', retried), 200: made('made before', retried) },
    },
  },
}
