import { MillpondError } from '../../errors.ts'
import type { IndexedLane, SegmentIndex } from '../../index/segment-index.ts'
import { type Archive, readLane } from '../../search/read.ts'
import type { LaneId } from '../../source/lane.ts'
import { type Caller, requireAccess } from '../access.ts'
import { linesOf } from './fields.ts'
import { readableTopics, topicUnknown } from './snapshot.ts'

/** A topic as the index knows it; where a name had several identities each is one. */
export interface TopicSummary {
  readonly topic: string
  readonly topicId: string
  readonly lanes: number
  readonly messages: number
  readonly missing: number
  readonly deadLettered: number
  readonly segments: number
  readonly bytes: number
  readonly minTimestamp: number | null
  readonly maxTimestamp: number | null
}

/** The archived topics that the caller may read. */
export async function listTopics(index: SegmentIndex, caller: Caller): Promise<readonly TopicSummary[]> {
  const all = await index.lanes()
  const lanes = caller.may('read') ? all : all.filter(({ topic }) => caller.may('read', topic))
  return [...Map.groupBy(lanes, ({ topic, topicId }) => JSON.stringify([topic, topicId])).values()].map(summaryOf)
}

/**
 * A topic with its lanes; one entry for each of its identities.
 * @throws MillpondError `FORBIDDEN`, `TOPIC_UNKNOWN`.
 */
export async function showTopic(index: SegmentIndex, topic: string, caller: Caller) {
  const lanes = await lanesOfTopic(index, topic, caller)
  return [...Map.groupBy(lanes, ({ topicId }) => topicId).values()].map((some) => ({
    ...summaryOf(some),
    lanes: some.map(({ lane, firstPosition, nextPosition, messages, missing, segments, bytes, minTimestamp, maxTimestamp }) => ({
      lane,
      firstPosition,
      nextPosition,
      messages,
      missing,
      segments,
      bytes,
      minTimestamp,
      maxTimestamp,
    })),
  }))
}

async function lanesOfTopic(index: SegmentIndex, topic: string, caller: Caller): Promise<readonly IndexedLane[]> {
  requireAccess(caller, 'read', topic)
  const lanes = await index.lanes(topic)
  if (lanes.length === 0) throw topicUnknown(topic, await readableTopics(index, caller))
  return lanes
}

function summaryOf(lanes: readonly IndexedLane[]): TopicSummary {
  const { topic, topicId } = lanes[0]!
  const sum = (of: (lane: IndexedLane) => number) => lanes.reduce((total, lane) => total + of(lane), 0)
  const times = lanes.flatMap(({ minTimestamp, maxTimestamp }) =>
    minTimestamp === null || maxTimestamp === null ? [] : [minTimestamp, maxTimestamp],
  )
  return {
    topic,
    topicId,
    lanes: lanes.length,
    messages: sum(({ messages }) => messages),
    missing: sum(({ missing }) => missing),
    deadLettered: sum(({ deadLettered }) => deadLettered),
    segments: sum(({ segments }) => segments),
    bytes: sum(({ bytes }) => bytes),
    minTimestamp: times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b)),
    maxTimestamp: times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b)),
  }
}

/** One message by where it lies. */
export interface MessagePlace {
  readonly topic: string
  /** Needed where lanes of several identities of the topic have the position. */
  readonly topicId: string | undefined
  readonly lane: string
  readonly position: number
}

/**
 * The line of one message.
 * @throws MillpondError `FORBIDDEN`, `TOPIC_UNKNOWN`, `LANE_UNKNOWN`; `NOT_FOUND` where the lane has no such message; `INPUT_INVALID` where several topics of
 * the name have one.
 */
export async function showMessage(
  archive: Archive,
  { topic, topicId, lane, position }: MessagePlace,
  { caller, decode, signal }: { readonly caller: Caller; readonly decode: boolean; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const all = await lanesOfTopic(archive.index, topic, caller)
  const named = all.filter((one) => one.lane === lane && (topicId ?? one.topicId) === one.topicId)
  if (named.length === 0) {
    throw new MillpondError('LANE_UNKNOWN', `topic ${topic} has no lane ${lane} in the archive`, { details: { topic, lane } })
  }
  const holding = named.filter(({ firstPosition, nextPosition }) => position >= firstPosition && position < nextPosition)
  const [only, ...others] = holding
  if (only === undefined) throw notThere(named[0]!, position)
  if (others.length > 0) {
    const message = `several topics were called ${topic}; say which with topicId: ${holding.map((one) => one.topicId).join(', ')}`
    throw new MillpondError('INPUT_INVALID', message, { details: { topicIds: holding.map((one) => one.topicId) } })
  }
  const id: LaneId = { topic, topicId: only.topicId, lane }
  for await (const { batch } of readLane(archive, id, { positions: { from: position, to: position + 1 } }, { signal })) {
    const shown = decode && archive.values !== undefined ? await archive.values.decode(batch, topic, signal) : batch
    return linesOf({ lane: id, batch: shown }, undefined)
  }
  throw notThere(only, position)
}

function notThere({ topic, lane, firstPosition, nextPosition }: IndexedLane, position: number): MillpondError {
  const message = `lane ${lane} of topic ${topic} has no message at position ${position}; the archive has it from ${firstPosition} to before ${nextPosition}`
  return new MillpondError('NOT_FOUND', message, { details: { topic, lane, position, firstPosition, nextPosition } })
}
