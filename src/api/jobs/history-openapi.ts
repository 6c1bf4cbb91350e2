import { JOB_OUTCOMES, type JobAudit } from '../../replay/job.ts'
import { type DescribedPart, jsonAnswer } from '../openapi/operation.ts'
import { answerOf, COUNT, listOf, MOMENT, oneOf, orNull, ref, TEXT, told, WHOLE } from '../openapi/schema.ts'
import { HISTORY_CURSOR } from './history.ts'
import { JOB_ERROR, JOB_ID, PLANNED, requestSchemas, STORE_ERRORS } from './openapi.ts'
import { LIMIT, someOf } from './page-query.ts'

/** The history of jobs as the description of the interface has it. */
export const describedHistory: DescribedPart = {
  schemas: {
    JobEnding: answerOf<JobAudit>(
      {
        job: TEXT,
        ending: told(COUNT, 'how often the job had ended before: a failed one can go on'),
        ...requestSchemas,
        requestedBy: orNull(TEXT),
        note: orNull(TEXT),
        createdMs: MOMENT,
        startedMs: orNull(WHOLE),
        endedMs: MOMENT,
        outcome: oneOf(...JOB_OUTCOMES),
        planned: PLANNED,
        counts: ref('JobCounts'),
        error: JOB_ERROR,
      },
      {},
    ),
  },
  operations: {
    'GET /jobs/history': {
      id: 'listJobHistory',
      tag: 'jobs',
      summary: 'List how jobs ended, the newest ending first',
      description: 'Who asked for what, when, how many messages there were, and what became of it. These records are kept.',
      query: {
        outcome: someOf(JOB_OUTCOMES),
        job: JOB_ID,
        limit: LIMIT,
        cursor: { type: 'string', pattern: HISTORY_CURSOR.source, description: '`next` of the page before' },
      },
      answers: {
        200: jsonAnswer(
          'endings of jobs of topics that the caller may replay',
          answerOf<{ readonly history: unknown; readonly next: unknown }>(
            { history: listOf(ref('JobEnding')), next: orNull(TEXT) },
            {},
          ),
        ),
      },
      errors: ['INPUT_INVALID', ...STORE_ERRORS],
    },
  },
}
