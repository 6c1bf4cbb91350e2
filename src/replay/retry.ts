import { MillpondError } from '../errors.ts'
import { sameLane } from '../index/lane-order.ts'
import type { LaneId } from '../source/lane.ts'
import { retryKey } from './job-key.ts'
import type { NewJob, ReplayFailure, ReplayJob } from './job.ts'
import type { ReplayPart } from './part.ts'
import { holdsPosition, inBoth, type Positions, rangeOf } from './positions.ts'
import { newPart } from './split.ts'

/** What planning a retry takes. */
export interface RetryOrder {
  readonly id: string
  readonly nowMs: number
  readonly requestedBy?: string
}

/** A job that sends again what another job's target refused, and how many messages it does not, because where they lie is not known. */
export interface Retry extends NewJob {
  readonly beyond: number
}

/**
 * A job of the messages that a job's target refused, as far as it is known where they lie, with the target and options of that job. Asked for again,
 * it is the same job, until more are refused. What lies beyond is counted: a new replay of its range would send its neighbours twice.
 * @throws MillpondError `JOB_CONFLICT` where the job still goes on or nothing was refused; `INPUT_INVALID` for a file, which refuses for good.
 */
export function planRetry(job: ReplayJob, { id, nowMs, requestedBy }: RetryOrder): Retry {
  const { state, counts, target } = job
  if (state !== 'done' && state !== 'cancelled' && state !== 'failed') {
    const message = `job ${job.id} is ${state}; what its target refused is retried when it has ended`
    throw new MillpondError('JOB_CONFLICT', message, { details: { id: job.id, state } })
  }
  const known = partsOfRanges(job, id)
  const named = partsOfNames(job, id, known)
  const parts = [...known.parts, ...named.parts]
  if (parts.length === 0) {
    throw new MillpondError('JOB_CONFLICT', `the target of job ${job.id} refused nothing`, { details: { id: job.id, state } })
  }
  if (target.kind === 'file') throw new MillpondError('INPUT_INVALID', 'what cannot be written to a file cannot be written later')
  const messages = known.messages + named.messages
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

interface RetryParts {
  readonly parts: readonly ReplayPart[]
  readonly messages: number
}

/** What each part keeps of its own, with what made it a part: what it did not select lies between. */
function partsOfRanges(job: ReplayJob, id: string): RetryParts {
  const parts: ReplayPart[] = []
  const places = new Map<number, number>()
  let messages = 0
  for (const { part, lane, refused, only, shard, share, after } of job.parts) {
    if (refused === undefined || refused.count === 0) continue
    const wanted = only === null ? refused.at : inBoth(refused.at, only)
    if (wanted.length === 0) continue
    places.set(part, parts.length)
    const before = after.flatMap((place) => places.get(place) ?? [])
    parts.push(newPart(id, parts.length, { lane, ...hullOf(wanted) }, { only: wanted, shard, share, after: before }))
    messages += refused.count
  }
  return { parts, messages }
}

/** What is known by name alone, as in jobs of older versions. */
function partsOfNames(job: ReplayJob, id: string, known: RetryParts): RetryParts {
  const parts: ReplayPart[] = []
  let messages = 0
  const lanes = Map.groupBy(job.failures, (failure) => JSON.stringify(laneOf(job, failure)))
  for (const [name, failures] of lanes) {
    const lane = JSON.parse(name) as LaneId
    const there = known.parts.filter((part) => sameLane(part.lane, lane))
    const missing = failures.filter(({ position }) => !there.some(({ only }) => holdsPosition(only!, position)))
    const only = [...new Set(missing.map(({ position }) => position))].toSorted((a, b) => a - b)
    if (only.length === 0) continue
    const place = known.parts.length + parts.length
    const apart = there.length === 0 ? {} : { share: 'by name', after: there.map(({ part }) => part) }
    parts.push(newPart(id, place, { lane, ...hullOf(only) }, { only, ...apart }))
    messages += only.length
  }
  return { parts, messages }
}

const hullOf = (positions: Positions) => ({
  fromPosition: rangeOf(positions[0]!)[0],
  toPosition: rangeOf(positions.at(-1)!)[1],
})

/** The lane of a failure; records of older versions do not say which topic of that name it was of. */
function laneOf({ parts }: ReplayJob, { topic, topicId, lane, position }: ReplayFailure): LaneId {
  if (topicId !== undefined) return { topic, topicId, lane }
  const part = parts.find(
    ({ lane: known, fromPosition, toPosition }) =>
      known.topic === topic && known.lane === lane && position >= fromPosition && position < toPosition,
  )
  return part?.lane ?? { topic, topicId: '', lane }
}
