import { damagedLane, placesOf, toLane, toRanges, toSegment } from '../../index/index-rows.ts'
import type { LaneRow, Row } from '../../index/index-rows.ts'
import { hasLayout, laneMayHold } from '../../index/lane-totals.ts'
import { type DirectoryEntry, rangeMayHold } from '../../index/segment-directory.ts'
import type { IndexedSegment, SegmentQuery } from '../../index/segment-index.ts'
import { laneName } from '../../source/lane.ts'
import type { Ask } from './database.ts'
import { commitOf, directoryOf, fromRow } from './index-statements.ts'
import type { IndexStatements } from './index-statements.ts'

/** Segments that one statement reads at the most. */
const PAGE_SEGMENTS = 128
/** Segments of lanes whose directories are read together; a lane that has more is read by itself. */
const GROUP_SEGMENTS = 50_000
const GROUP_LANES = 256

/** Where to read. */
export interface ReadingSource {
  readonly ask: Ask
  readonly sql: IndexStatements
}

/** A segment as the directory of its lane has it. */
interface Listed {
  readonly lane: LaneRow
  readonly entry: DirectoryEntry
}

/** Segments of lanes, which come in their order, that the query's ranges touch. A page is found by its keys, so nothing shifts it. */
export async function* readSegments(
  source: ReadingSource,
  lanes: readonly LaneRow[],
  query: SegmentQuery,
): AsyncGenerator<IndexedSegment> {
  for (const group of groupsOf(lanes.filter((lane) => laneMayHold(lane, query)))) {
    const listed = (await readDirectories(source, group)).filter(({ entry }) => rangeMayHold(entry, query))
    for (let page = 0; page < listed.length; page += PAGE_SEGMENTS) {
      const segments = await readPage(source, listed.slice(page, page + PAGE_SEGMENTS))
      for (const segment of segments) if (query.layout === undefined || hasLayout(segment, query.layout)) yield segment
    }
  }
}

function* groupsOf(lanes: readonly LaneRow[]): Generator<readonly LaneRow[]> {
  let group: LaneRow[] = []
  let segments = 0
  for (const lane of lanes) {
    if (group.length === GROUP_LANES || (group.length > 0 && segments + lane.segments > GROUP_SEGMENTS)) {
      yield group
      group = []
      segments = 0
    }
    group.push(lane)
    segments += lane.segments
  }
  if (group.length > 0) yield group
}

/** All segments that lanes have now, by lane and first position; none of one that was cleared meanwhile. */
export async function readDirectories({ ask, sql }: ReadingSource, lanes: readonly LaneRow[]): Promise<Listed[]> {
  const rows = await ask(sql.directories, [lanes.map(({ laneRef }) => laneRef)])
  const byLane = Map.groupBy(rows.map(fromRow), (row) => Number(row['lane_ref']))
  return lanes.flatMap((lane) => {
    const [first, ...others] = byLane.get(lane.laneRef) ?? []
    if (first === undefined) return []
    const chunks = [first, ...others].map(directoryOf).filter((row) => row !== undefined)
    const entries = toRanges(toLane(first), chunks)
    return entries.sort((a, b) => a.firstPosition - b.firstPosition).map((entry) => ({ lane, entry }))
  })
}

/** As `readPage`, for any number of segments. */
export async function segmentsAt(source: ReadingSource, listed: readonly Listed[]): Promise<IndexedSegment[]> {
  const segments: IndexedSegment[] = []
  for (let page = 0; page < listed.length; page += PAGE_SEGMENTS)
    segments.push(...(await readPage(source, listed.slice(page, page + PAGE_SEGMENTS))))
  return segments
}

/** @throws MillpondError `INDEX_CORRUPT` where one is not there though its lane is. */
async function readPage({ ask, sql }: ReadingSource, listed: readonly Listed[]): Promise<IndexedSegment[]> {
  const places = listed.map(({ entry }) => placesOf(entry))
  const rows = await ask(sql.page, [
    listed.map(({ lane }) => lane.laneRef),
    listed.map(({ entry }) => entry.firstPosition),
    places.map(([low]) => low),
    places.map(([, high]) => high),
  ])
  return listed.flatMap(({ lane }, at) => segmentOf(lane, rows[at]))
}

function segmentOf(lane: LaneRow, row: Row | undefined): IndexedSegment[] {
  if (row === undefined || row['known_ref'] === null) return []
  if (row['lane_ref'] === null) throw damagedLane(laneName(lane))
  const found = fromRow(row)
  return [toSegment({ topic: lane.topic, topicId: lane.topicId, lane: lane.lane }, found, commitOf(found))]
}
