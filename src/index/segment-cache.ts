import type { LaneId } from '../source/lane.ts'
import { hasLayout, laneMayHold } from './lane-totals.ts'
import { rangeMayHold } from './segment-directory.ts'
import type { IndexedLane, IndexedSegment, SegmentIndex, SegmentQuery } from './segment-index.ts'

/** Block entries that are kept: about 150 bytes each, and one for a block of 1 MiB of messages. */
const DEFAULT_BLOCKS = 200_000

/** What is known of a lane as it was at a head. */
interface KnownLane {
  readonly head: IndexedLane
  /** By first position. */
  readonly segments: readonly IndexedSegment[]
}

/**
 * The index, with the segments of lanes that were asked for lately kept as they were read: a look-up of a lane that has not changed reads its totals
 * alone, one that has grown reads what is new. Whoever asks sees all that the index has; what is kept is compared with the lane's head each time. Lanes
 * with more than a quarter of `maxBlocks` blocks are read as they are without it; what was asked for longest ago leaves first.
 */
export function withSegmentCache(index: SegmentIndex, maxBlocks: number = DEFAULT_BLOCKS): SegmentIndex {
  const known = new Map<string, KnownLane>()
  let held = 0
  const keep = (name: string, lane: KnownLane) => {
    held += lane.head.blocks - (known.get(name)?.head.blocks ?? 0)
    known.delete(name)
    known.set(name, lane)
    for (const [oldest, { head }] of known) {
      if (held <= maxBlocks) break
      known.delete(oldest)
      held -= head.blocks
    }
  }

  const segmentsOf = async (lane: IndexedLane): Promise<readonly IndexedSegment[]> => {
    const name = nameOf(lane)
    const before = known.get(name)
    if (before !== undefined && isSame(before.head, lane)) {
      keep(name, before)
      return before.segments
    }
    const grown = before !== undefined && isGrown(before.head, lane) ? before : undefined
    const segments = [...(grown?.segments ?? []), ...(await readAll(index, lane, grown?.head.nextPosition))]
    // Only what was read of one state of the lane may be kept under it.
    const after = await index.lane(lane)
    if (after !== undefined && isSame(after, lane)) keep(name, { head: lane, segments })
    else if (grown !== undefined) return readAll(index, lane)
    return segments
  }

  return {
    name: index.name,
    add: (commit) => index.add(commit),
    replace: (rewrite) => index.replace(rewrite),
    lane: (id) => index.lane(id),
    lanes: (topic) => index.lanes(topic),
    async clear(id) {
      known.clear()
      held = 0
      await index.clear(id)
    },
    async *segments(query) {
      const lanes = await index.lanes(query.topic)
      for (const lane of lanes) {
        if (!laneMayHold(lane, query)) continue
        if (lane.blocks > maxBlocks / 4) yield* index.segments(ofLane(query, lane))
        else for (const segment of await segmentsOf(lane)) if (isMeant(segment, query)) yield segment
      }
    },
    [Symbol.asyncDispose]: () => index[Symbol.asyncDispose](),
  }
}

const nameOf = ({ topic, topicId, lane }: LaneId): string => JSON.stringify([topic, topicId, lane])

const ofLane = (query: SegmentQuery, { topic, topicId, lane }: LaneId): SegmentQuery => ({
  ...query,
  topic,
  topicId,
  lanes: [lane],
})

const isSame = (a: IndexedLane, b: IndexedLane): boolean =>
  a.headSha256 === b.headSha256 &&
  a.nextPosition === b.nextPosition &&
  a.rewrites === b.rewrites &&
  a.rewriteSha256 === b.rewriteSha256

/** Whether commits were added since and nothing else. What was cleared and made again has the same hashes in the same places. */
const isGrown = (before: IndexedLane, after: IndexedLane): boolean =>
  after.commits > before.commits &&
  after.nextPosition >= before.nextPosition &&
  after.firstPosition === before.firstPosition &&
  after.rewrites === before.rewrites &&
  after.rewriteSha256 === before.rewriteSha256

async function readAll(index: SegmentIndex, lane: IndexedLane, from?: number): Promise<IndexedSegment[]> {
  const segments: IndexedSegment[] = []
  const query = ofLane(from === undefined ? {} : { positions: { from } }, lane)
  for await (const segment of index.segments(query)) segments.push(segment)
  return segments
}

const isMeant = (segment: IndexedSegment, query: SegmentQuery): boolean =>
  rangeMayHold(segment, query) && (query.layout === undefined || hasLayout(segment, query.layout))
