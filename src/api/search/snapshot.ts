import { MillpondError } from '../../errors.ts'
import type { IndexedLane, SegmentIndex } from '../../index/segment-index.ts'
import { nearest } from '../../nearest.ts'
import type { MessageQuery } from '../../search/query.ts'
import { createSelection, type LaneSpan } from '../../search/selection.ts'
import { laneName } from '../../source/lane.ts'
import { type Caller, requireAccess } from '../access.ts'

/**
 * What of the archive a search is of: of each lane what the index knows now, as far as the query may mean it. A query without a topic is of the topics that
 * the caller may read.
 * @throws MillpondError `FORBIDDEN`; `TOPIC_UNKNOWN` where the topic that it names is not in the archive.
 */
export async function takeSnapshot(index: SegmentIndex, query: MessageQuery, caller: Caller): Promise<readonly LaneSpan[]> {
  const { topic } = query
  if (topic !== undefined) requireAccess(caller, 'read', topic)
  const lanes = await index.lanes(topic)
  if (topic !== undefined && lanes.length === 0) throw topicUnknown(topic, await readableTopics(index, caller))
  const readable = lanes.filter((lane) => caller.may('read', lane.topic))
  if (readable.length === 0) requireAccess(caller, 'read', topic)
  const selection = createSelection(query)
  return readable.filter((lane) => selection.of(lane) !== undefined).flatMap((lane) => spanOf(lane, query))
}

function spanOf(lane: IndexedLane, { positions = {} }: MessageQuery): LaneSpan[] {
  const { topic, topicId, lane: name, firstPosition, nextPosition } = lane
  const from = Math.max(firstPosition, positions.from ?? 0)
  const to = Math.min(nextPosition, positions.to ?? Infinity)
  return from < to ? [{ lane: { topic, topicId, lane: name }, from, to }] : []
}

/** The topics of the archive that the caller may read, each once. */
export async function readableTopics(index: SegmentIndex, caller: Caller): Promise<readonly string[]> {
  const topics = new Set((await index.lanes()).map((lane) => lane.topic))
  return [...topics].filter((topic) => caller.may('read', topic))
}

/** The error for a topic that is not there, with the nearest that is. */
export function topicUnknown(topic: string, known: readonly string[]): MillpondError {
  const near = nearest(topic, known)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  return new MillpondError('TOPIC_UNKNOWN', `the archive has no topic ${topic}${hint}`, { details: { topic } })
}

/**
 * Whether what is left of a search can be read: the caller may, and the index has all of it.
 * @throws MillpondError `FORBIDDEN`; `INDEX_UNAVAILABLE` while the index is made anew and has not come so far.
 */
export async function checkSpans(index: SegmentIndex, spans: readonly LaneSpan[], caller: Caller): Promise<void> {
  if (spans.length === 0) requireAccess(caller, 'read')
  for (const topic of new Set(spans.map(({ lane }) => lane.topic))) requireAccess(caller, 'read', topic)
  const known = new Map((await index.lanes()).map((lane) => [JSON.stringify([lane.topic, lane.topicId, lane.lane]), lane]))
  for (const { lane, to } of spans) {
    const next = known.get(JSON.stringify([lane.topic, lane.topicId, lane.lane]))?.nextPosition ?? 0
    if (next >= to) continue
    const message = `the index knows lane ${laneName(lane)} up to position ${next}, and the search goes up to ${to}; ask again when it has come so far`
    throw new MillpondError('INDEX_UNAVAILABLE', message, { details: { ...lane, position: to } })
  }
}
