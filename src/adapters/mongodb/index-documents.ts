import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { StoredCommit } from '../../commit/commit.ts'
import { linkOf } from '../../commit/rewrites.ts'
import type { SegmentEntry } from '../../encode/segment.ts'
import { MillpondError } from '../../errors.ts'
import { decodeTables, encodeTables } from '../../index/block-table.ts'
import { newLane } from '../../index/lane-totals.ts'
import { REMEDY } from '../../index/segment-index.ts'
import type { IndexedLane, IndexedSegment } from '../../index/segment-index.ts'
import { laneName } from '../../source/lane.ts'
import type { LaneId } from '../../source/lane.ts'
import { type Checked, isSound, withCheck } from './checked.ts'
import { decodeChunks, decodeRuns, encodeChunks, encodeRuns, segmentCount } from './index-directory.ts'
import type { Directory, Run } from './index-directory.ts'
import type { VersionedDocument } from './versions.ts'

/** The form of the documents: another one is made anew from the archive. */
const FORM = 1
/** Segments of a commit that share a document. */
const PART_SEGMENTS = 64
const POSITION_DIGITS = 16

/** A lane with all that its document says. */
export interface LaneState {
  readonly _id: string
  /** Stands for the lane in the ids of its other documents; another one after it was cleared. */
  readonly ref: string
  readonly genesisSha256: string
  readonly lane: IndexedLane
  readonly directory: Directory
}

/** A lane's document: all that readers count on. What it does not cover is not there yet. */
export interface LaneDocument extends IndexedLane, VersionedDocument {
  readonly form: number
  readonly genesisSha256: string
  readonly chunks: Uint8Array
  readonly open: Uint8Array
  readonly directoryCheck: number
}

/** As it is read where segments are not asked for. */
export type LaneTotals = Checked<Omit<LaneDocument, 'chunks' | 'open'>>

/** Some consecutive segments of a commit or rewrite, all of them but for those that have very many. */
export interface PartDocument {
  readonly _id: string
  /** The key and SHA-256 of the commit or rewrite. */
  readonly key: string
  readonly sha256: string
  readonly segments: readonly SegmentDocument[]
}

/** The first part: once it is there, the commit or rewrite is added, and its lane's document follows. */
export interface CommitDocument extends PartDocument {
  readonly firstPosition: number
  readonly nextPosition: number
  readonly previousSha256: string
  readonly missing: number
  readonly deadLettered: number
  readonly parts: number
}

/** A piece of a lane's directory. */
export interface ChunkDocument {
  readonly _id: string
  readonly runs: Uint8Array
}

/** A segment; `tables` are its blocks and the places of its filters, which count from the beginning of the commit object. */
interface SegmentDocument extends Omit<SegmentEntry, 'blocks' | 'lookups' | 'siblings' | 'layout'> {
  /** JSON: names of values may be such as no name of a field can be. */
  readonly layout: string
  readonly tables: Uint8Array
}

/** The id of a lane's document: any topic and lane can be in it. */
export const laneKey = ({ topic, topicId, lane }: LaneId): string =>
  createHash('sha256')
    .update(JSON.stringify([topic, topicId, lane]))
    .digest('hex')
    .slice(0, 32)

/** The id of the document of a commit, by its first position, or of a rewrite, by its number. */
export const placeId = (ref: string, { rewrite, place, part }: Omit<Run, 'entries'>): string =>
  `${ref}.${rewrite === 0 ? 'c' : 'r'}${String(place).padStart(POSITION_DIGITS, '0')}${part === 0 ? '' : `.${part}`}`

/** The id of a chunk of the directory. */
export const chunkId = (ref: string, name: string): string => `${ref}.${name}`

/** Which ids begin with a lane's `ref`. */
export const idsOf = (ref: string) => ({ $gte: `${ref}.`, $lt: `${ref}/` })

/** Where a commit or rewrite lies among the documents of its lane. */
export function placeOf(commit: StoredCommit): Omit<Run, 'entries'> {
  if (commit.kind !== 'rewrite') return { rewrite: 0, place: commit.firstPosition, part: 0 }
  const { sequence } = linkOf(commit)
  return { rewrite: sequence + 1, place: sequence, part: 0 }
}

/** The documents of a commit or rewrite, the first part first. */
export function commitDocuments(
  ref: string,
  commit: StoredCommit,
): readonly [Checked<CommitDocument>, ...Checked<PartDocument>[]] {
  const { key, sha256, firstPosition, nextPosition, previousSha256 } = commit
  const segments = commit.segments
    .toSorted((a, b) => a.firstPosition - b.firstPosition)
    .map((segment) => segmentDocument(segment, commit.lookupStart))
  const parts = Math.max(1, Math.ceil(segments.length / PART_SEGMENTS))
  const place = placeOf(commit)
  const part = (number: number): PartDocument => ({
    _id: placeId(ref, { ...place, part: number }),
    key,
    sha256,
    segments: segments.slice(number * PART_SEGMENTS, (number + 1) * PART_SEGMENTS),
  })
  const first: CommitDocument = {
    ...part(0),
    firstPosition,
    nextPosition,
    previousSha256,
    missing: commit.gaps.reduce((sum, gap) => sum + gap.missing, 0),
    deadLettered: commit.deadLetters.length,
    parts,
  }
  return [withCheck(first), ...Array.from({ length: parts - 1 }, (_, at) => withCheck(part(at + 1)))]
}

function segmentDocument(segment: SegmentEntry, lookupStart: number): SegmentDocument {
  const { blocks, lookups, siblings: _, layout, ...rest } = segment
  const moved = lookups.map((lookup) => ({ ...lookup, offset: lookup.offset + lookupStart }))
  return { ...rest, layout: JSON.stringify(layout), tables: encodeTables({ blocks, lookups: moved }) }
}

/** A commit or rewrite as its documents have it. */
export interface CommitRecord {
  readonly key: string
  readonly sha256: string
  readonly firstPosition: number
  readonly nextPosition: number
  readonly previousSha256: string
  readonly gaps: readonly { readonly missing: number }[]
  readonly deadLetters: { readonly length: number }
  readonly segments: readonly IndexedSegment[]
  readonly runs: readonly Run[]
}

/**
 * What all documents of a commit or rewrite say.
 * @throws MillpondError `INDEX_CORRUPT` where one is not what was written.
 */
export function toRecord(lane: LaneId, place: Omit<Run, 'entries'>, parts: readonly Checked<PartDocument>[]): CommitRecord {
  const first = parts[0] as Checked<CommitDocument> | undefined
  if (first === undefined || parts.length !== first.parts) throw damagedLane(lane)
  if (parts.some(({ sha256 }) => sha256 !== first.sha256)) throw damagedLane(lane)
  const held = parts.map((part) => toSegments(lane, part))
  const { key, sha256, firstPosition, nextPosition, previousSha256, missing, deadLettered } = first
  const { rewrite } = place
  const runs = held.map((segments, part): Run => ({
    ...place,
    part,
    entries: segments.map((segment) => ({ ...segment, rewrite })),
  }))
  return {
    key,
    sha256,
    firstPosition,
    nextPosition,
    previousSha256,
    gaps: [{ missing }],
    deadLetters: { length: deadLettered },
    segments: held.flat(),
    runs: runs.filter(({ entries }) => entries.length > 0),
  }
}

/** @throws MillpondError `INDEX_CORRUPT` where the document is not what was written. */
export function toSegments(lane: LaneId, part: Checked<PartDocument>): IndexedSegment[] {
  if (!isSound(part)) throw damagedLane(lane)
  const { topic, topicId, lane: name } = lane
  return part.segments.map(({ layout, tables, ...segment }) => ({
    ...segment,
    lane: { topic, topicId, lane: name },
    commitKey: part.key,
    layout: JSON.parse(layout) as Record<string, string>,
    ...decodeTables(tables),
  }))
}

/** A lane of which nothing is known but its genesis commit. */
export const firstState = (genesis: StoredCommit, ref: string): LaneState => ({
  _id: laneKey(genesis),
  ref,
  genesisSha256: genesis.sha256,
  lane: newLane(genesis),
  directory: { chunks: [], open: [] },
})

/** The document of a lane. */
export function laneDocument({ _id, ref, genesisSha256, lane, directory }: LaneState): Checked<LaneDocument> {
  const [chunks, open] = [encodeChunks(directory.chunks), encodeRuns(directory.open)]
  const version = lane.commits + lane.rewrites
  const directoryCheck = crc32(open, crc32(chunks))
  const totals = { _id, form: FORM, ref, version, genesisSha256, ...lane, directoryCheck }
  return { ...withCheck(totals), chunks, open }
}

/** The totals of a lane. @throws MillpondError `INDEX_CORRUPT` where they are not what was written. */
export function toLane(document: LaneTotals): IndexedLane {
  const {
    _id: _key,
    form,
    ref: _ref,
    version: _version,
    genesisSha256: _genesis,
    directoryCheck: _directory,
    check: _check,
    ...lane
  } = document
  if (form !== FORM) {
    const why = `is of the form ${form}, this program reads ${FORM}; ${REMEDY}`
    throw new MillpondError('INDEX_CORRUPT', `the index's document of lane ${laneName(lane)} ${why}`)
  }
  if (!isSound(document)) throw damagedLane(lane)
  return lane
}

/** A lane with its directory. @throws MillpondError `INDEX_CORRUPT` where they are not what was written. */
export function toLaneState({ chunks, open, ...totals }: Checked<LaneDocument>): LaneState {
  const lane = toLane(totals)
  if (crc32(open, crc32(chunks)) !== totals.directoryCheck) throw damagedLane(lane)
  const directory = { chunks: decodeChunks(chunks), open: decodeRuns(open) }
  if (segmentCount(directory) !== lane.segments) throw damagedLane(lane)
  const { _id, ref, genesisSha256 } = totals
  return { _id, ref, genesisSha256, lane, directory }
}

/** The error for documents of a lane that are not what was written, or are not there. */
export const damagedLane = (lane: LaneId): MillpondError =>
  new MillpondError('INDEX_CORRUPT', `the index's documents of lane ${laneName(lane)} are damaged; ${REMEDY}`)
