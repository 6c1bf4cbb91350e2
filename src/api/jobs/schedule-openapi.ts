import { DURATION_PATTERN } from '../../config/units.ts'
import { SCHEDULE_NAME } from '../../replay/schedule.ts'
import { BODY_ERRORS, type DescribedPart, JSON_CONTENT, jsonAnswer, type Operation } from '../openapi/operation.ts'
import {
  answerOf,
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
import { PLAN_ERRORS, requestSchemas, STORE_ERRORS } from './openapi.ts'
import { jobSchemas } from './request.ts'
import type { PublicFire, PublicSchedule } from './schedule-text.ts'

const TAG = 'schedules'
const LINKS = ['showSchedule', 'pauseSchedule', 'resumeSchedule', 'removeSchedule']
const missed = oneOf('all', 'latest')

const schemas: Readonly<Record<string, Schema>> = {
  ScheduleRequest: requestOf(
    {
      name: { type: 'string', pattern: SCHEDULE_NAME.source, description: 'no two schedules have the same' },
      cron: {
        type: 'string',
        format: 'cron',
        description:
          'minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`',
        examples: ['0 3 * * *'],
      },
      zone: { type: 'string', format: 'time-zone', default: 'UTC', description: 'a time zone like Europe/Berlin' },
      window: {
        type: 'string',
        format: 'millpond-window',
        pattern: `^(?:since-last$|last:(?:${DURATION_PATTERN.replaceAll('^', '')}))`,
        description: 'which messages a job is for: `since-last`, or those of so long before the fire, as `last:1d`',
        examples: ['last:1d', 'since-last'],
      },
      delay: {
        type: 'string',
        format: 'millpond-duration',
        pattern: DURATION_PATTERN,
        default: '15m',
        description: 'from a fire until its job is made',
      },
      missed: told(
        missed,
        'what becomes of fires that no worker was there for: `all` with `since-last` unless given, else `latest`',
      ),
      select: told(ref('TimelessSelection'), 'which messages; the window says of which time'),
      ...Object.fromEntries(Object.entries(jobSchemas).filter(([name]) => name !== 'key')),
    },
    ['name', 'cron', 'window', 'select', 'to'],
  ),
  Schedule: answerOf<PublicSchedule>(
    {
      id: TEXT,
      name: TEXT,
      cron: TEXT,
      zone: TEXT,
      window: {
        oneOf: [
          answerOf<{ readonly kind: 'last'; readonly ms: number }>({ kind: { const: 'last' }, ms: COUNT }, {}),
          answerOf<{ readonly kind: 'since-last' }>({ kind: { const: 'since-last' } }, {}),
        ],
      },
      delayMs: COUNT,
      missed,
      ...requestSchemas,
      note: orNull(TEXT),
      requestedBy: orNull(TEXT),
      createdMs: MOMENT,
      isPaused: TRUTH,
      isFiring: told(TRUTH, 'whether a fire was chosen whose job is not made yet'),
      lastFireMs: orNull(WHOLE),
      lastJob: orNull(TEXT),
      trouble: told(
        orNull(answerOf<NonNullable<PublicSchedule['trouble']>>({ code: TEXT, message: TEXT, retryMs: MOMENT }, {})),
        'why the job of a fire could not be made yet',
      ),
      next: told(
        orNull(answerOf<PublicFire>({ fireMs: MOMENT, fromMs: MOMENT, toMs: MOMENT, dueMs: MOMENT }, {})),
        'the fire that comes, its window, and when its job is made',
      ),
      version: COUNT,
    },
    {},
  ),
}

const operation = (id: string, summary: string, isChange: boolean): Operation => ({
  id,
  tag: TAG,
  summary,
  path: { id: told(TEXT, 'the id of the schedule, or its name') },
  answers: { 200: jsonAnswer('the schedule', ref('Schedule')) },
  errors: ['SCHEDULE_UNKNOWN', ...(isChange ? BODY_ERRORS : []), ...STORE_ERRORS],
})

/** Schedules as the description of the interface has them. */
export const describedSchedules: DescribedPart = {
  schemas,
  operations: {
    'POST /schedules': {
      id: 'makeSchedule',
      tag: TAG,
      summary: 'Make a schedule of replay jobs',
      description: 'To send to an address the caller needs `admin`.',
      body: { isRequired: true, content: { [JSON_CONTENT]: ref('ScheduleRequest') } },
      answers: { 201: { ...jsonAnswer('made', ref('Schedule')), headers: { location: TEXT }, links: LINKS } },
      errors: ['SCHEDULE_CONFLICT', ...PLAN_ERRORS],
    },
    'GET /schedules': {
      id: 'listSchedules',
      tag: TAG,
      summary: 'List schedules of topics that the caller may replay',
      answers: {
        200: jsonAnswer(
          'schedules, by name',
          answerOf<{ readonly schedules: unknown }>({ schedules: listOf(ref('Schedule')) }, {}),
        ),
      },
      errors: STORE_ERRORS,
    },
    'GET /schedules/:id': operation('showSchedule', 'Show a schedule', false),
    'DELETE /schedules/:id': operation('removeSchedule', 'Remove a schedule; its jobs stay', true),
    'POST /schedules/:id/pause': operation('pauseSchedule', 'Let a schedule rest', true),
    'POST /schedules/:id/resume': operation('resumeSchedule', 'Let a schedule go on', true),
  },
}
