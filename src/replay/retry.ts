import { MillpondError } from '../errors.ts'
import type { LaneId } from '../source/lane.ts'
import { retryKey } from './job-key.ts'
import type { NewJob, ReplayFailure, ReplayJob } from './job.ts'
import { newPart } from './split.ts'

/** What planning a retry takes. */
export interface RetryOrder {
  readonly id: string
  readonly nowMs: number
  readonly requestedBy?: string
}

/** A job that sends again what another job's target refused, and how many messages that job does not know by name. */
export interface Retry extends NewJob {
  readonly beyond: number
}

/**
 * A job of the messages that a job's target refused, as far as they are recorded by name, with the target and options of that job. Asked for again,
 * it is the same job, until more are refused. What lies beyond is counted: it was never known by name, and a new replay of its
 * range would send its neighbours twice.
 * @throws MillpondError `JOB_CONFLICT` where the job still goes on or nothing was refused; `INPUT_INVALID` for a file, which refuses for good.
 */
export function planRetry(job: ReplayJob, { id, nowMs, requestedBy }: RetryOrder): Retry {
  const { state, failures, counts, target } = job
  if (state !== 'done' && state !== 'cancelled' && state !== 'failed') {
    const message = `job ${job.id} is ${state}; what its target refused is retried when it has ended`
    throw new MillpondError('JOB_CONFLICT', message, { details: { id: job.id, state } })
  }
  if (failures.length === 0) {
    throw new MillpondError('JOB_CONFLICT', `the target of job ${job.id} refused nothing`, { details: { id: job.id, state } })
  }
  if (target.kind === 'file') throw new MillpondError('INPUT_INVALID', 'what cannot be written to a file cannot be written later')
  const lanes = Map.groupBy(failures, (failure) => JSON.stringify(laneOf(job, failure)))
  const parts = [...lanes].map(([lane, ofLane], part) => {
    const only = [...new Set(ofLane.map(({ position }) => position))].toSorted((a, b) => a - b)
    const range = { lane: JSON.parse(lane) as LaneId, fromPosition: only[0]!, toPosition: only.at(-1)! + 1 }
    return newPart(id, part, range, { only })
  })
  const messages = parts.reduce((sum, { only }) => sum + only!.length, 0)
  const { query, options, workers } = job
  return {
    job: {
      id,
      query,
      target,
      options,
      createdMs: nowMs,
      requestedBy: requestedBy ?? null,
      note: null,
      key: retryKey(job.id, counts.failed),
      retryOf: job.id,
      planned: { segments: 0, blocks: 0, bytes: 0, messages, exact: true },
      workers,
      offered: true,
      wish: 'run',
      startedMs: null,
      endedMs: null,
    },
    parts,
    beyond: counts.failed - messages,
  }
}

/** The lane of a failure; records of older versions do not say which topic of that name it was of. */
function laneOf({ parts }: ReplayJob, { topic, topicId, lane, position }: ReplayFailure): LaneId {
  if (topicId !== undefined) return { topic, topicId, lane }
  const part = parts.find(
    ({ lane: known, fromPosition, toPosition }) =>
      known.topic === topic && known.lane === lane && position >= fromPosition && position < toPosition,
  )
  return part?.lane ?? { topic, topicId: '', lane }
}
