import type { MessageBatch } from '../batch/batch.ts'
import { markMessages } from '../batch/mark.ts'
import { MillpondError } from '../errors.ts'
import { type AppliedBatch, applyFunction } from '../functions/apply.ts'
import type { MessageFunction } from '../functions/function.ts'
import { countMessages } from '../search/count.ts'
import type { ReadAhead } from '../search/context.ts'
import type { MessageQuery } from '../search/query.ts'
import type { Archive, ReadStats, SelectedBatch, SelectedStored } from '../search/read.ts'
import { readLane, readLaneStored } from '../search/read.ts'
import type { Sink, SinkTarget } from '../sink/sink.ts'
import type { Clock, DeliveryRetry, LaneDelivery } from './deliver.ts'
import { deliver, deliverStored, standardDeliveryRetry } from './deliver.ts'
import type { FunctionFile, PlannedReplay, ReplayCounts, ReplaySummary } from './job.ts'
import { addCounts, NO_COUNTS, targetTopic } from './job.ts'
import { joined } from './joined.ts'
import type { JobStore } from './jobs.ts'
import { replayMarks } from './marks.ts'
import type { Pace } from './pace.ts'
import type { ReplayPart } from './part.ts'
import type { PartStep, Recorder } from './recorder.ts'
import { isWholeLane, rangesOf, rowsOf } from './rows-of-part.ts'
import { keepsMessages, shapeBatch } from './shape.ts'
import type { SharedPace } from './shared-pace.ts'
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
  /** Wall clock, for the job's times and leases. */
  readonly nowMs: () => number
  readonly onProgress?: (progress: ReplayProgress) => void
  /** Parts that are delivered side by side, at the most. */
  readonly lanesAtOnce?: number
  readonly retry?: DeliveryRetry
  /** How long a part stays this process's own after it was last heard of. */
  readonly leaseMs?: number
  /** How long to wait for another's lease to end: a process that was killed leaves one behind. Not at all unless given. */
  readonly claimWithinMs?: number
  /** How often progress is stored and told. */
  readonly tickMs?: number
  readonly clock?: Clock
  readonly random?: () => number
  /** Loads the function that a job's messages go through. @throws MillpondError `FUNCTION_INVALID`. */
  readonly openFunction?: (file: FunctionFile) => Promise<MessageFunction>
}

/** A job in the hands of this process. */
export interface Run {
  readonly job: ReplaySummary
  readonly parts: Pick<ReplayParts, 'archive' | 'sink' | 'nowMs' | 'retry' | 'random' | 'openFunction'>
  readonly query: MessageQuery
  readonly recorder: Recorder
  readonly stats: ReadStats
  readonly pace: Pace | SharedPace | undefined
  readonly clock: Clock
}

/** How one part is run. */
export interface PartRun {
  readonly readAhead: ReadAhead
  readonly signal: AbortSignal
  /** Whether the part is to be given up as soon as what is under way is delivered. */
  readonly isLeaving: () => boolean
}

/** Progress is stored before this much more is delivered: what a target that cannot tell may get twice after a kill. */
const UNSTORED_BYTES = 64 * 1024 * 1024

/** Delivers one part (its place in the job), from where it is to its end; false where it was given up before. */
export async function runPart(run: Run, place: number, how: PartRun): Promise<boolean> {
  how.signal.throwIfAborted()
  const { job, recorder } = run
  const part = recorder.part(place)
  const { toPosition } = part
  if (job.options.dryRun) await countPart(run, part, how.signal)
  else {
    const target = targetOf(job, part)
    const position = await startOf(run, part, target, how.signal)
    const delivery = deliveryOf(run, place, target, how.signal)
    const change = await functionOf(run)
    for (const range of rangesOf(part, position)) {
      for await (const item of ahead(
        readPart(run, part, range, how),
        createPrepare(run, part, range, { change, signal: how.signal }),
      )) {
        if ('stored' in item) await deliverStored(delivery, item)
        else await deliverBatch(delivery, item, recorder.part(place).nextPosition)
        if (how.isLeaving() && recorder.part(place).nextPosition < toPosition) return false
      }
    }
  }
  recorder.step(place, { nextPosition: toPosition, counts: NO_COUNTS, failures: [], done: true })
  return true
}

/** Where the messages of a part go. */
function targetOf({ id, target, workers }: ReplaySummary, { lane, part, attempts, share }: ReplayPart): SinkTarget {
  return {
    topic: targetTopic(target, lane.topic),
    origin: lane,
    job: id,
    ...(workers === 'many' ? { part: { place: part, attempt: attempts } } : {}),
    ...(share === null ? {} : { share }),
  }
}

function deliveryOf({ parts, pace, clock, recorder }: Run, place: number, target: SinkTarget, signal: AbortSignal) {
  return {
    sink: parts.sink,
    target,
    pace,
    stride: parts.sink.resumePosition === undefined ? createStride() : wholeBatches,
    retry: parts.retry ?? standardDeliveryRetry,
    clock,
    random: parts.random ?? Math.random,
    signal,
    onStep: async (step: PartStep) => {
      recorder.step(place, step)
      if (recorder.unstoredBytes > UNSTORED_BYTES) await recorder.store()
    },
  }
}

/** Messages on their way out, and those of the same stretch that do not go. */
interface PreparedBatch {
  readonly batch: MessageBatch
  readonly nextPosition: number
  readonly withheld: readonly Withheld[]
}

/** A message that the job's function left out, or failed on. */
interface Withheld {
  readonly position: number
  readonly reason?: string
}

async function functionOf({ job, parts }: Run): Promise<MessageFunction | undefined> {
  const { function: file } = job.options
  if (file === undefined) return undefined
  if (parts.openFunction !== undefined) return parts.openFunction(file)
  throw new MillpondError('FUNCTION_INVALID', `this process cannot load ${file.path}`)
}

interface Preparing {
  readonly change: MessageFunction | undefined
  readonly signal: AbortSignal
}

/** Brings what was read into the form in which it goes out. */
function createPrepare({ job, parts }: Run, part: ReplayPart, { to }: PositionRange, { change, signal }: Preparing) {
  const { lane } = part
  const origin = { job: job.id, topic: lane.topic, lane: lane.lane }
  const marks = job.options.marks ? replayMarks(origin) : undefined
  return async (selected: SelectedBatch | SelectedStored): Promise<PreparedBatch | SelectedStored> => {
    if ('stored' in selected) {
      return marks === undefined ? selected : { ...selected, stored: selected.stored.map((each) => ({ ...each, marks })) }
    }
    const meant = rowsOf(selected.batch, part)
    const nextPosition = Math.min(selected.nextPosition, to)
    const applied = change === undefined ? undefined : await applyFunction(change, meant, origin, signal)
    const batch = applied?.batch ?? meant
    const withheld = applied === undefined ? [] : withheldBy(applied)
    if (batch.count === 0) return { batch, nextPosition, withheld }
    const shaped = shapeBatch(batch, job.options, parts.nowMs())
    return { batch: marks === undefined ? shaped : markMessages(shaped, marks), nextPosition, withheld }
  }
}

const withheldBy = ({ leftOut, failed }: AppliedBatch): Withheld[] =>
  [...leftOut.map((position) => ({ position })), ...failed].sort((a, b) => a.position - b.position)

/** Delivers a batch; each step also tells of what was withheld below the position that it comes to. */
async function deliverBatch(
  delivery: LaneDelivery,
  { batch, nextPosition, withheld }: PreparedBatch,
  before: number,
): Promise<void> {
  let told = 0
  const { topic, topicId, lane } = delivery.target.origin
  const origin = { topic, lane, ...(topicId === undefined ? {} : { topicId }) }
  const onStep = (step: PartStep): Promise<void> => {
    const from = told
    while (told < withheld.length && withheld[told]!.position < step.nextPosition) told++
    if (told === from) return delivery.onStep(step)
    const now = withheld.slice(from, told)
    const failures = now.flatMap(({ position, reason }) => (reason === undefined ? [] : [{ ...origin, position, reason }]))
    const counts = { ...NO_COUNTS, read: now.length, failed: failures.length }
    return delivery.onStep({ ...step, counts: addCounts(step.counts, counts), failures: [...step.failures, ...failures] })
  }
  if (batch.count > 0) return deliver({ ...delivery, onStep }, batch, nextPosition)
  if (nextPosition > before) await onStep({ nextPosition, counts: NO_COUNTS, failures: [] })
}

function readPart(run: Run, part: ReplayPart, range: PositionRange, { readAhead, signal }: PartRun) {
  const { parts, stats } = run
  const read = takesStored(run, part) ? readLaneStored : readLane
  const query = { ...run.query, positions: { from: range.from, to: range.to } }
  const selected = read(parts.archive, part.lane, query, { readAhead, stats, signal })
  const { writeBytes } = parts.sink
  return writeBytes === undefined ? selected : joined(selected, writeBytes)
}

interface PositionRange {
  readonly from: number
  readonly to: number
}

/** Whether messages go out as blocks hold them: nothing of them is changed, none is left out, and the target takes them so. */
const takesStored = ({ job: { options }, parts, pace }: Run, part: ReplayPart): boolean =>
  parts.sink.writeStored !== undefined && keepsMessages(options) && pace === undefined && isWholeLane(part)

/** A dry run: what would be sent is counted, by the index where it can tell. */
async function countPart(run: Run, part: ReplayPart, signal: AbortSignal): Promise<void> {
  const { part: place, fromPosition: from, toPosition: to } = part
  const read = await countRange(run, part, { from, to }, signal)
  run.recorder.step(place, { nextPosition: to, counts: { ...NO_COUNTS, read }, failures: [] })
}

/** How many messages of the part lie in the range. */
async function countRange(
  { query, parts, stats }: Run,
  part: ReplayPart,
  positions: PositionRange,
  signal: AbortSignal,
): Promise<number> {
  const { topic, topicId, lane } = part.lane
  if (isWholeLane(part))
    return countMessages(parts.archive, { ...query, topic, topicId, lanes: [lane], positions }, { stats, signal })
  let count = 0
  for await (const { batch } of readLane(parts.archive, part.lane, { ...query, positions }, { stats, signal })) {
    count += rowsOf(batch, part).count
  }
  return count
}

/** Where the part goes on: the target's own word, where it has one, goes before what was stored of the job. */
async function startOf(run: Run, part: ReplayPart, target: SinkTarget, signal: AbortSignal): Promise<number> {
  const { part: place, fromPosition, nextPosition } = part
  const reached = await run.parts.sink.resumePosition?.(target)
  if (reached === undefined) return nextPosition
  if (reached <= nextPosition) return Math.max(fromPosition, reached)
  // The target got further than was stored before the kill; what lies between was delivered and is still to be counted.
  const delivered = await countRange(run, part, { from: nextPosition, to: reached }, signal)
  run.recorder.step(place, { nextPosition: reached, counts: { ...NO_COUNTS, read: delivered, delivered }, failures: [] })
  return reached
}

/** Prepares the next item while the one before is in use. */
async function* ahead<T, U>(source: AsyncIterable<T>, prepare: (item: T) => Promise<U>): AsyncGenerator<U> {
  const iterator = source[Symbol.asyncIterator]()
  const take = async () => {
    const next = await iterator.next()
    return next.done === true ? undefined : { item: await prepare(next.value) }
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
