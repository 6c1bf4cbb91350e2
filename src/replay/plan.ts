import { MillpondError } from '../errors.ts'
import { checkReadable } from '../encode/formats.ts'
import type { IndexedLane, SegmentIndex } from '../index/segment-index.ts'
import { laneName } from '../source/lane.ts'
import type { MessageQuery } from '../search/query.ts'
import { createSelection } from '../search/selection.ts'
import type { LaneProgress, PlannedReplay, ReplayJob, ReplayOptions, ReplayTarget } from './job.ts'
import { NO_COUNTS, replayOptions, targetTopic } from './job.ts'
import { recordQuery } from './query-record.ts'

/** What a replay is to do. */
export interface ReplayOrder {
  readonly query: MessageQuery
  readonly target: ReplayTarget
  readonly options?: Partial<ReplayOptions>
}

/** Kinds of targets whose messages cannot come back by themselves. */
const ENDS: ReadonlySet<string> = new Set(['file', 'http', 'count'])

/**
 * A new job, not stored yet. What it replays is fixed here: of each lane what the index knows now, so that a replay ends though new
 * messages arrive, its own among them.
 * @throws MillpondError `TOPIC_UNKNOWN`, `LANE_UNKNOWN`; `INPUT_INVALID` for a rate that is none; `REPLAY_LOOP` where messages would go
 * back into a topic that they are read from and the options do not allow that; `FORMAT_NOT_READABLE` for segments that do not keep all.
 */
export async function planReplay(
  order: ReplayOrder,
  parts: { readonly index: SegmentIndex; readonly id: string; readonly nowMs: number },
): Promise<ReplayJob> {
  const { query, target } = order
  const options = replayOptions(target.kind, order.options)
  const rate = options.rateMessagesPerSecond
  if (rate !== undefined && !(rate > 0 && Number.isFinite(rate))) {
    throw new MillpondError('INPUT_INVALID', `a rate is a number of messages a second above 0, not ${rate}`)
  }
  const lanes = await selectLanes(parts.index, query)
  checkLoop(lanes, target, options)
  return {
    id: parts.id,
    query: recordQuery(query),
    target,
    options,
    state: 'queued',
    createdMs: parts.nowMs,
    startedMs: null,
    endedMs: null,
    planned: await planned(parts.index, query, lanes),
    counts: NO_COUNTS,
    error: null,
    cancelRequested: false,
    leaseUntilMs: null,
    lanes,
    failures: [],
  }
}

async function selectLanes(index: SegmentIndex, query: MessageQuery): Promise<LaneProgress[]> {
  const known = (await index.lanes(query.topic)).filter(({ topicId }) => (query.topicId ?? topicId) === topicId)
  if (query.topic !== undefined && known.length === 0) {
    throw new MillpondError('TOPIC_UNKNOWN', `the archive has no topic ${query.topic}`, { details: { topic: query.topic } })
  }
  const missing = query.lanes?.find((name) => !known.some(({ lane }) => lane === name))
  if (missing !== undefined) {
    throw new MillpondError('LANE_UNKNOWN', `the archive has no lane ${missing} of ${query.topic ?? 'any topic'}`, {
      details: { lane: missing },
    })
  }
  const selection = createSelection(query)
  return known
    .filter(
      (lane) => (query.lanes?.includes(lane.lane) ?? true) && (query.filter === undefined || selection.of(lane) !== undefined),
    )
    .map((lane) => laneAtStart(lane, query))
    .filter(({ fromPosition, toPosition }) => fromPosition < toPosition)
}

function laneAtStart(
  { topic, topicId, lane, firstPosition, nextPosition }: IndexedLane,
  { positions = {} }: MessageQuery,
): LaneProgress {
  const fromPosition = Math.max(firstPosition, positions.from ?? 0)
  const toPosition = Math.min(nextPosition, positions.to ?? Infinity)
  return { lane: { topic, topicId, lane }, fromPosition, toPosition, nextPosition: fromPosition, counts: NO_COUNTS, done: false }
}

function checkLoop(lanes: readonly LaneProgress[], target: ReplayTarget, options: ReplayOptions): void {
  if (options.allowLoop || options.dryRun || ENDS.has(target.kind)) return
  const read = new Set(lanes.map(({ lane }) => lane.topic))
  for (const topic of read) {
    const to = targetTopic(target, topic)
    if (!read.has(to)) continue
    throw new MillpondError(
      'REPLAY_LOOP',
      `messages of ${topic} would go into ${to}, which this replay reads; name another topic, or allow the loop`,
      {
        details: { topic, to },
      },
    )
  }
}

/** What the blocks of the selection hold. */
async function planned(index: SegmentIndex, query: MessageQuery, lanes: readonly LaneProgress[]): Promise<PlannedReplay> {
  let [segments, blocks, bytes, messages] = [0, 0, 0, 0]
  let exact = true
  const spans = lanes.map(({ lane, fromPosition, toPosition }) => ({ lane, from: fromPosition, to: toPosition }))
  const selection = createSelection(query, spans)
  for await (const segment of index.segments(selection.segments)) {
    const lane = selection.of(segment.lane)
    if (lane === undefined) continue
    const meant = segment.blocks.filter((block) => lane.verdict(block) !== 'none')
    if (meant.length > 0) {
      checkReadable(segment, laneName(segment.lane))
      segments++
    }
    for (const block of meant) {
      blocks++
      bytes += block.bytes
      messages += block.count
      exact &&= lane.verdict(block) === 'all'
    }
  }
  return { segments, blocks, bytes, messages, exact }
}
