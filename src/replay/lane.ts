import { countMessages } from '../search/count.ts'
import type { ReadAhead } from '../search/context.ts'
import type { MessageQuery } from '../search/query.ts'
import type { Archive, ReadStats, SelectedBatch, SelectedStored } from '../search/read.ts'
import { readLane, readLaneStored } from '../search/read.ts'
import type { Sink, SinkTarget } from '../sink/sink.ts'
import type { Clock, DeliveryRetry } from './deliver.ts'
import { deliver, deliverStored, standardDeliveryRetry } from './deliver.ts'
import type { PlannedReplay, ReplayCounts, ReplayJob } from './job.ts'
import { NO_COUNTS, targetTopic } from './job.ts'
import { joined } from './joined.ts'
import type { JobStore } from './jobs.ts'
import { markReplay } from './marks.ts'
import type { Pace } from './pace.ts'
import type { LaneStep, Recorder } from './recorder.ts'
import { keepsMessages, shapeBatch } from './shape.ts'
import { createStride, wholeBatches } from './stride.ts'

/** How far a run has come. */
export interface ReplayProgress {
  readonly counts: ReplayCounts
  readonly planned: PlannedReplay
  readonly lanes: number
  readonly lanesDone: number
}

/** What a run needs. */
export interface ReplayParts {
  readonly archive: Archive
  /** Not written to by a dry run. */
  readonly sink: Sink
  readonly jobs: JobStore
  /** Wall clock, for the job's times and lease. */
  readonly nowMs: () => number
  readonly onProgress?: (progress: ReplayProgress) => void
  /** Lanes that are delivered side by side, at the most. */
  readonly lanesAtOnce?: number
  readonly retry?: DeliveryRetry
  /** How long the job stays this process's own after it was last heard of. */
  readonly leaseMs?: number
  /** How long to wait for another's lease to end: a process that was killed leaves one behind. Not at all unless given. */
  readonly claimWithinMs?: number
  readonly clock?: Clock
  readonly random?: () => number
}

/** A job in the hands of this process. */
export interface Run {
  readonly job: ReplayJob
  readonly parts: ReplayParts
  readonly query: MessageQuery
  readonly recorder: Recorder
  readonly stats: ReadStats
  readonly pace: Pace | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Progress is stored before this much more is delivered: what a target that cannot tell may get twice after a kill. */
const UNSTORED_BYTES = 64 * 1024 * 1024
/** Delivers one lane (its place in the job), from where it is to the end of its part of the selection. */
export async function runLane(run: Run, at: number, readAhead: ReadAhead): Promise<void> {
  const { job, parts, recorder, clock, signal } = run
  const { lane, toPosition } = recorder.lane(at)
  if (job.options.dryRun) return countLane(run, at)
  const target: SinkTarget = { topic: targetTopic(job.target, lane.topic), origin: lane, job: job.id }
  const position = await startOf(run, at, target)
  const query = { ...run.query, positions: { from: position, to: toPosition } }
  const delivery = {
    sink: parts.sink,
    target,
    pace: run.pace,
    stride: parts.sink.resumePosition === undefined ? createStride() : wholeBatches,
    retry: parts.retry ?? standardDeliveryRetry,
    clock,
    random: parts.random ?? Math.random,
    signal,
    onStep: async (step: LaneStep) => {
      recorder.step(at, step)
      if (recorder.unstoredBytes > UNSTORED_BYTES) await recorder.store()
    },
  }
  const origin = { job: job.id, topic: lane.topic, lane: lane.lane }
  const prepare = (selected: SelectedBatch | SelectedStored) => {
    if ('stored' in selected) return selected
    const { batch, nextPosition } = selected
    const shaped = shapeBatch(batch, job.options, parts.nowMs())
    return { batch: job.options.marks ? markReplay(shaped, origin) : shaped, nextPosition: Math.min(nextPosition, toPosition) }
  }
  const read = takesStored(run) ? readLaneStored : readLane
  const selected = read(parts.archive, lane, query, { readAhead, stats: run.stats, signal })
  const { writeBytes } = parts.sink
  for await (const item of ahead(writeBytes === undefined ? selected : joined(selected, writeBytes), prepare)) {
    if ('stored' in item) await deliverStored(delivery, item)
    else await deliver(delivery, item.batch, item.nextPosition)
  }
  recorder.step(at, { nextPosition: toPosition, counts: NO_COUNTS, failures: [], done: true })
}

/** Whether messages go out as blocks hold them: nothing of them is changed, and the target takes them so. */
const takesStored = ({ job: { options }, parts, pace }: Run): boolean =>
  parts.sink.writeStored !== undefined && !options.marks && keepsMessages(options) && pace === undefined

/** A dry run: what would be sent is counted, by the index where it can tell. */
async function countLane({ query, parts, recorder, stats, signal }: Run, at: number): Promise<void> {
  const { lane, fromPosition, toPosition } = recorder.lane(at)
  const ofLane = { ...query, topic: lane.topic, topicId: lane.topicId, lanes: [lane.lane] }
  const read = await countMessages(
    parts.archive,
    { ...ofLane, positions: { from: fromPosition, to: toPosition } },
    { stats, signal },
  )
  recorder.step(at, { nextPosition: toPosition, counts: { ...NO_COUNTS, read }, failures: [], done: true })
}

/** Where the lane goes on: the target's own word, where it has one, goes before what was stored of the job. */
async function startOf({ query, parts, recorder, signal }: Run, at: number, target: SinkTarget): Promise<number> {
  const { lane, fromPosition, nextPosition } = recorder.lane(at)
  const reached = await parts.sink.resumePosition?.(target)
  if (reached === undefined) return nextPosition
  if (reached <= nextPosition) return Math.max(fromPosition, reached)
  // The target got further than was stored before the kill; what lies between was delivered and is still to be counted.
  const ofLane = { ...query, topic: lane.topic, topicId: lane.topicId, lanes: [lane.lane] }
  const delivered = await countMessages(parts.archive, { ...ofLane, positions: { from: nextPosition, to: reached } }, { signal })
  recorder.step(at, { nextPosition: reached, counts: { ...NO_COUNTS, read: delivered, delivered }, failures: [] })
  return reached
}

/** Prepares the next item while the one before is in use. */
async function* ahead<T, U>(source: AsyncIterable<T>, prepare: (item: T) => U): AsyncGenerator<U> {
  const iterator = source[Symbol.asyncIterator]()
  const take = async () => {
    const next = await iterator.next()
    return next.done === true ? undefined : { item: prepare(next.value) }
  }
  let coming = take()
  try {
    for (;;) {
      const taken = await coming
      if (taken === undefined) return
      coming = take()
      // It is looked at when it is its turn; until then a failure is not unheard of.
      coming.catch(() => undefined)
      yield taken.item
    }
  } finally {
    await iterator.return?.()
  }
}
