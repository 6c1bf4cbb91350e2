import { crc32 } from 'node:zlib'
import type { StoredCommit } from '../commit/commit.ts'
import { linkOf } from '../commit/rewrites.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import { laneName } from '../source/lane.ts'
import type { LaneId } from '../source/lane.ts'
import { decodeTables, encodeTables } from './block-table.ts'
import { decodeRanges, encodeRanges } from './segment-directory.ts'
import type { DirectoryEntry } from './segment-directory.ts'
import { REMEDY } from './segment-index.ts'
import type { IndexedLane, IndexedSegment } from './segment-index.ts'

/** A row as a database gives it, by the names of columns; whole numbers may come as text. */
export type Row = Readonly<Record<string, unknown>>

/** What is put into a column. */
export type RowValue = string | number | null | Uint8Array

/** A lane as the index knows it, with the number that stands for it in the other tables. */
export interface LaneRow extends IndexedLane {
  readonly laneRef: number
}

/** Columns of a lane's row; its check and the number that stands for it beside. */
export const LANE_COLUMNS = [
  'topic topic_id lane first_position next_position head_key head_sha256 commits rewrites rewrite_sha256 segments blocks',
  'messages bytes',
  'missing dead_lettered min_timestamp max_timestamp',
].flatMap((names) => names.split(' '))
export const COMMIT_COLUMNS = 'lane_ref next_position first_position key sha256'.split(' ')
export const SEGMENT_COLUMNS = [
  'lane_ref first_position last_position min_timestamp max_timestamp commit_next key bytes crc32c sha256 format codec',
  'count layout tables',
].flatMap((names) => names.split(' '))
export const DIRECTORY_COLUMNS = ['lane_ref', 'chunk', 'ranges']

/** Segments whose ranges share a row of the directory. */
export const CHUNK_SEGMENTS = 256

/** The values of a lane's row, its check last. */
export function laneValues(lane: IndexedLane): RowValue[] {
  const values = [
    lane.topic,
    lane.topicId,
    lane.lane,
    lane.firstPosition,
    lane.nextPosition,
    lane.headKey,
    fromHex(lane.headSha256),
    lane.commits,
    lane.rewrites,
    fromHex(lane.rewriteSha256),
    lane.segments,
    lane.blocks,
    lane.messages,
    lane.bytes,
    lane.missing,
    lane.deadLettered,
    lane.minTimestamp,
    lane.maxTimestamp,
  ]
  return [...values, rowCheck(values)]
}

/** What a commit is known by in its lane: where it ends; a rewrite is known by its number, below 0. */
export const placeOf = (commit: StoredCommit): number =>
  commit.kind === 'rewrite' ? -1 - linkOf(commit).sequence : commit.nextPosition

/** The places of commits among which the one is that made a segment of the directory. */
export const placesOf = ({ rewrite }: DirectoryEntry): readonly [number, number] =>
  rewrite === 0 ? [0, Number.MAX_SAFE_INTEGER] : [-rewrite, -rewrite]

/** Segments as the directory has them. */
export const entriesOf = (commit: StoredCommit): DirectoryEntry[] => {
  const rewrite = commit.kind === 'rewrite' ? linkOf(commit).sequence + 1 : 0
  return commit.segments.map((segment) => ({ ...segment, rewrite }))
}

/** The values of a commit's row, its check last. */
export function commitValues(laneRef: number, commit: StoredCommit): RowValue[] {
  const values = [laneRef, placeOf(commit), commit.firstPosition, commit.key, fromHex(commit.sha256)]
  return [...values, rowCheck(values)]
}

/** The values of a segment's row, its check last; its filters' places counted from the beginning of the commit object. */
export function segmentValues(laneRef: number, commit: StoredCommit, segment: SegmentEntry): RowValue[] {
  const lookups = segment.lookups.map((lookup) => ({ ...lookup, offset: lookup.offset + commit.lookupStart }))
  const values = [
    laneRef,
    segment.firstPosition,
    segment.lastPosition,
    segment.minTimestamp,
    segment.maxTimestamp,
    placeOf(commit),
    segment.key,
    segment.bytes,
    segment.crc32c,
    fromHex(segment.sha256),
    segment.format,
    segment.codec,
    segment.count,
    JSON.stringify(segment.layout),
    encodeTables({ blocks: segment.blocks, lookups }),
  ]
  return [...values, rowCheck(values)]
}

/** The rows of the directory, their checks last, that a lane's new segments make or replace. `last` is the chunk that is not full. */
export function directoryValues(lane: LaneRow, last: Row | undefined, added: readonly DirectoryEntry[]): RowValue[][] {
  const firstChunk = openChunk(lane)
  return chunkValues(lane.laneRef, firstChunk, [...toRanges(lane, last === undefined ? [] : [last], firstChunk), ...added])
}

/** The rows of the directory from a chunk on, their checks last. */
export function chunkValues(laneRef: number, firstChunk: number, ranges: readonly DirectoryEntry[]): RowValue[][] {
  const rows: RowValue[][] = []
  for (let from = 0; from < ranges.length; from += CHUNK_SEGMENTS) {
    const values = [laneRef, firstChunk + rows.length, encodeRanges(ranges.slice(from, from + CHUNK_SEGMENTS))]
    rows.push([...values, rowCheck(values)])
  }
  return rows
}

/** The chunk of the directory that a lane's next segment will be in. */
export const openChunk = (lane: LaneRow): number => Math.floor(lane.segments / CHUNK_SEGMENTS)

/**
 * The ranges of a lane's segments from a chunk on, in the order of their commits.
 * @throws MillpondError `INDEX_CORRUPT` where a row is not what was written, or there are not as many as the lane's total says.
 */
export function toRanges(lane: LaneRow, rows: readonly Row[], fromChunk = 0): DirectoryEntry[] {
  const ranges: DirectoryEntry[] = []
  for (const [at, row] of rows.entries()) {
    checkRow(row, DIRECTORY_COLUMNS, laneName(lane))
    if (Number(row['chunk']) !== fromChunk + at) throw damagedLane(laneName(lane))
    for (const range of decodeRanges(row['ranges'] as Uint8Array)) ranges.push(range)
  }
  if (ranges.length !== lane.segments - fromChunk * CHUNK_SEGMENTS) throw damagedLane(laneName(lane))
  return ranges
}

/** The lane without the number that stands for it. */
export function withoutRef(row: LaneRow): IndexedLane {
  const { laneRef: _, ...lane } = row
  return lane
}

/** @throws MillpondError `INDEX_CORRUPT` where the row is not what was written. */
export function toLane(row: Row): LaneRow {
  const lane: LaneRow = {
    laneRef: Number(row['lane_ref']),
    topic: String(row['topic']),
    topicId: String(row['topic_id']),
    lane: String(row['lane']),
    firstPosition: Number(row['first_position']),
    nextPosition: Number(row['next_position']),
    headKey: String(row['head_key']),
    headSha256: toHex(row['head_sha256']),
    commits: Number(row['commits']),
    rewrites: Number(row['rewrites']),
    rewriteSha256: toHex(row['rewrite_sha256']),
    segments: Number(row['segments']),
    blocks: Number(row['blocks']),
    messages: Number(row['messages']),
    bytes: Number(row['bytes']),
    missing: Number(row['missing']),
    deadLettered: Number(row['dead_lettered']),
    minTimestamp: row['min_timestamp'] === null ? null : Number(row['min_timestamp']),
    maxTimestamp: row['max_timestamp'] === null ? null : Number(row['max_timestamp']),
  }
  checkRow(row, LANE_COLUMNS, laneName(lane))
  return lane
}

/** @throws MillpondError `INDEX_CORRUPT` where a row is not what was written. */
export function toSegment(lane: LaneId, row: Row, commit: Row | undefined): IndexedSegment {
  checkRow(row, SEGMENT_COLUMNS, laneName(lane))
  checkRow(commit, COMMIT_COLUMNS, laneName(lane))
  return {
    lane,
    commitKey: String(commit['key']),
    key: String(row['key']),
    bytes: Number(row['bytes']),
    crc32c: Number(row['crc32c']),
    sha256: toHex(row['sha256']),
    format: row['format'] as SegmentEntry['format'],
    codec: row['codec'] as SegmentEntry['codec'],
    count: Number(row['count']),
    firstPosition: Number(row['first_position']),
    lastPosition: Number(row['last_position']),
    minTimestamp: Number(row['min_timestamp']),
    maxTimestamp: Number(row['max_timestamp']),
    layout: JSON.parse(String(row['layout'])) as Record<string, string>,
    ...decodeTables(row['tables'] as Uint8Array),
  }
}

export const toHex = (bytes: unknown): string => (bytes instanceof Uint8Array ? Buffer.from(bytes).toString('hex') : '')
const fromHex = (text: string): Uint8Array => Buffer.from(text, 'hex')

function checkRow(row: Row | undefined, columns: readonly string[], lane: string): asserts row is Row {
  if (row !== undefined && rowCheck(columns.map((column) => row[column])) === Number(row['row_check'])) return
  throw damagedLane(lane)
}

/** The error for rows of a lane that are not what was written. */
export function damagedLane(lane: string): MillpondError {
  return new MillpondError('INDEX_CORRUPT', `the index's rows of lane ${lane} are damaged; ${REMEDY}`)
}

/** CRC-32 of a row: its numbers and texts joined by NUL, then its bytes. */
function rowCheck(values: readonly unknown[]): number {
  const plain = values.filter((value) => !(value instanceof Uint8Array))
  let check = crc32(plain.join('\0'))
  for (const value of values) if (value instanceof Uint8Array) check = crc32(value, check)
  return check
}
