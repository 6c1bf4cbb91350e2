import { MillpondError } from '../errors.ts'
import { checkReadable } from '../encode/formats.ts'
import { sameLane } from '../index/lane-order.ts'
import type { IndexedLane, SegmentIndex } from '../index/segment-index.ts'
import { laneName } from '../source/lane.ts'
import type { MessageQuery } from '../search/query.ts'
import { createSelection } from '../search/selection.ts'
import type { JobRecord, NewJob, PlannedReplay, ReplayOptions, ReplayTarget } from './job.ts'
import { replayOptions, targetTopic } from './job.ts'
import { recordQuery } from './query-record.ts'
import { MAX_SPLIT, type Range, type SegmentStart, splitLanes } from './split.ts'

/** What a replay is to do. */
export interface ReplayOrder {
  readonly query: MessageQuery
  readonly target: ReplayTarget
  readonly options?: Partial<ReplayOptions>
  /** Workers do it, several at once where the target allows that; otherwise whoever is given its id, alone. */
  readonly isDetached?: boolean
  /** Who asks: a name or the id of a key, never a secret. */
  readonly requestedBy?: string
  readonly note?: string
  /** Asked for again with the same key, it is the same job. */
  readonly key?: string
}

/** What planning needs to know. */
export interface PlanParts {
  readonly index: SegmentIndex
  readonly id: string
  readonly nowMs: number
  /** What the archive is filled from: the kind of targets that are the same broker, and which of its topics are archived. */
  readonly source?: { readonly kind: string; readonly archives: (topic: string) => boolean }
}

/** Kinds of targets whose messages cannot come back by themselves. */
const ENDS: ReadonlySet<string> = new Set(['file', 'http', 'count'])

/**
 * A new job, not stored yet. What it replays is fixed here: of each lane what the index knows now, so that a replay ends though new
 * messages arrive, its own among them; and into which parts that is split.
 * @throws MillpondError `TOPIC_UNKNOWN`, `LANE_UNKNOWN`; `INPUT_INVALID` for a rate or split that is none, or an order that the target cannot have;
 * `REPLAY_LOOP` where messages would go into a topic that the archive stores and the options do not allow that; `FORMAT_NOT_READABLE` for segments
 * that do not keep all.
 */
export async function planReplay(order: ReplayOrder, parts: PlanParts): Promise<NewJob> {
  const { query, target, isDetached = false } = order
  const options = replayOptions(target.kind, order.options)
  checkOptions(order, options)
  const lanes = await selectLanes(parts.index, query)
  await checkLoop(parts, lanes, target, options)
  const { planned, starts } = await survey(parts.index, query, lanes)
  const job: JobRecord = {
    id: parts.id,
    query: recordQuery(query),
    target,
    options,
    createdMs: parts.nowMs,
    requestedBy: order.requestedBy ?? null,
    note: order.note ?? null,
    key: order.key ?? null,
    retryOf: null,
    planned,
    workers: isDetached && target.kind !== 'file' ? 'many' : 'one',
    offered: isDetached,
    wish: 'run',
    startedMs: null,
    endedMs: null,
  }
  return { job, parts: splitLanes(parts.id, lanes, options, starts) }
}

function checkOptions({ target, isDetached }: ReplayOrder, options: ReplayOptions): void {
  const { rateMessagesPerSecond: rate, order = 'lane', split = 1 } = options
  if (rate !== undefined && !(rate > 0 && Number.isFinite(rate))) {
    throw new MillpondError('INPUT_INVALID', `a rate is a number of messages a second above 0, not ${rate}`)
  }
  if (!Number.isInteger(split) || split < 1 || split > MAX_SPLIT) {
    throw new MillpondError('INPUT_INVALID', `a lane is split into 1 to ${MAX_SPLIT} parts, not ${split}`)
  }
  if (target.kind === 'file' && order !== 'lane') {
    throw new MillpondError('INPUT_INVALID', 'a file is written by one process, in the order of each lane')
  }
  if (target.path === '-' && isDetached === true) {
    throw new MillpondError('INPUT_INVALID', 'workers have no standard output to write to; name a file')
  }
}

async function selectLanes(index: SegmentIndex, query: MessageQuery): Promise<Range[]> {
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
): Range {
  const fromPosition = Math.max(firstPosition, positions.from ?? 0)
  const toPosition = Math.min(nextPosition, positions.to ?? Infinity)
  return { lane: { topic, topicId, lane }, fromPosition, toPosition }
}

/** Messages that go into a topic of the archive's own broker which it stores would be archived again, and replayed again with it. */
async function checkLoop(
  { index, source }: PlanParts,
  lanes: readonly Range[],
  target: ReplayTarget,
  options: ReplayOptions,
): Promise<void> {
  if (options.allowLoop || options.dryRun || ENDS.has(target.kind)) return
  const read = new Set(lanes.map(({ lane }) => lane.topic))
  const isSameBroker = source === undefined || source.kind === target.kind
  const stored = new Set(isSameBroker ? (await index.lanes()).map(({ topic }) => topic) : [])
  for (const topic of read) {
    const to = targetTopic(target, topic)
    const isArchived = isSameBroker && source?.archives(to) === true
    if (!read.has(to) && !stored.has(to) && !isArchived) continue
    const why = read.has(to) ? 'which this replay reads' : 'which the archive stores'
    throw new MillpondError(
      'REPLAY_LOOP',
      `messages of ${topic} would go into ${to}, ${why}; name another topic, or allow the loop`,
      {
        details: { topic, to },
      },
    )
  }
}

/** What the blocks of the selection hold, and where segments of each lane begin. */
async function survey(index: SegmentIndex, query: MessageQuery, lanes: readonly Range[]) {
  let [segments, blocks, bytes, messages] = [0, 0, 0, 0]
  let exact = true
  const starts = lanes.map((): SegmentStart[] => [])
  const spans = lanes.map(({ lane, fromPosition, toPosition }) => ({ lane, from: fromPosition, to: toPosition }))
  const selection = createSelection(query, spans)
  for await (const segment of index.segments(selection.segments)) {
    const lane = selection.of(segment.lane)
    const at = lanes.findIndex((range) => sameLane(range.lane, segment.lane))
    if (lane === undefined || at === -1) continue
    const meant = segment.blocks.filter((block) => lane.verdict(block) !== 'none')
    if (meant.length === 0) continue
    checkReadable(segment, laneName(segment.lane))
    segments++
    for (const block of meant) {
      blocks++
      bytes += block.bytes
      messages += block.count
      exact &&= lane.verdict(block) === 'all'
    }
    starts[at]!.push({ position: segment.firstPosition, bytes: meant.reduce((sum, block) => sum + block.bytes, 0) })
  }
  const planned: PlannedReplay = { segments, blocks, bytes, messages, exact }
  return { planned, starts }
}
