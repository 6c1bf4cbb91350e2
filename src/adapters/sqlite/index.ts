import type { DatabaseSync } from 'node:sqlite'
import type { StoredCommit } from '../../commit/commit.ts'
import { MillpondError } from '../../errors.ts'
import { admitCommit, admitRewrite } from '../../index/admission.ts'
import { extendedLane, hasLayout, laneMayHold, newLane, rewrittenLane } from '../../index/lane-totals.ts'
import {
  chunkValues,
  commitValues,
  damagedLane,
  directoryValues,
  entriesOf,
  laneValues,
  openChunk,
  placeOf,
  placesOf,
  segmentValues,
  toHex,
  toLane,
  toRanges,
  toSegment,
  withoutRef,
} from '../../index/index-rows.ts'
import type { LaneRow } from '../../index/index-rows.ts'
import { compareLanes } from '../../index/lane-order.ts'
import { type DirectoryEntry, rangeMayHold } from '../../index/segment-directory.ts'
import { REMEDY } from '../../index/segment-index.ts'
import type { IndexedLane, IndexedSegment, SegmentIndex, SegmentQuery } from '../../index/segment-index.ts'
import { laneName } from '../../source/lane.ts'
import type { LaneId } from '../../source/lane.ts'
import { indexError, inTransaction, openIndexDatabase } from './index-database.ts'
import type { IndexDatabaseOptions } from './index-database.ts'
import { announceFollower } from './followers.ts'
import { prepareStatements } from './index-statements.ts'

/** Segments that one turn of the event loop reads at the most. */
const PAGE_SEGMENTS = 128

/**
 * An index in one SQLite file. Any number of processes may use it at once; each addition is one transaction.
 * @throws MillpondError `INDEX_CORRUPT`, `INDEX_UNAVAILABLE`.
 */
export async function openSqliteIndex(options: IndexDatabaseOptions): Promise<SegmentIndex> {
  return new SqliteIndex(options)
}

/** A class for the statements that it keeps prepared. */
class SqliteIndex implements SegmentIndex {
  readonly name: string
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #statements: ReturnType<typeof prepareStatements>
  #known: { readonly version: number; readonly lanes: readonly LaneRow[] } | undefined

  constructor(options: IndexDatabaseOptions) {
    this.#path = options.path
    this.name = `sqlite:${options.path}`
    this.#database = openIndexDatabase(options)
    this.#statements = this.#guard(() => prepareStatements(this.#database))
  }

  async add(commit: StoredCommit): Promise<'added' | 'known'> {
    return this.#guard(() => this.#transaction('BEGIN IMMEDIATE', () => this.#addInTransaction(commit)))
  }

  async replace(rewrite: StoredCommit): Promise<'added' | 'known'> {
    return this.#guard(() => this.#transaction('BEGIN IMMEDIATE', () => this.#replaceInTransaction(rewrite)))
  }

  async lane(id: LaneId): Promise<IndexedLane | undefined> {
    const row = this.#guard(() => this.#laneRow(id))
    return row === undefined ? undefined : withoutRef(row)
  }

  async lanes(topic?: string): Promise<readonly IndexedLane[]> {
    return this.#guard(() => this.#laneRows(topic)).map(withoutRef)
  }

  async *segments(query: SegmentQuery): AsyncGenerator<IndexedSegment> {
    const lanes = this.#guard(() => this.#laneRows(query.topic)).filter((lane) => laneMayHold(lane, query))
    for (const lane of lanes) {
      const entries = this.#guard(() => this.#transaction('BEGIN', () => this.#candidates(lane, query)))
      for (let page = 0; page < entries.length; page += PAGE_SEGMENTS) {
        const some = entries.slice(page, page + PAGE_SEGMENTS)
        yield* this.#guard(() => this.#transaction('BEGIN', () => this.#page(lane, some, query)))
      }
    }
  }

  async clear(id?: LaneId): Promise<void> {
    this.#guard(() =>
      this.#transaction('BEGIN IMMEDIATE', () => {
        this.#known = undefined
        if (id === undefined) {
          this.#database.exec('DELETE FROM segments; DELETE FROM commits; DELETE FROM directory; DELETE FROM lanes')
          this.#database.exec('UPDATE totals SET lanes = 0')
          return
        }
        const lane = this.#statements.laneRef.get(id.topic, id.topicId, id.lane)
        if (lane === undefined) return
        const laneRef = Number(lane['lane_ref'])
        for (const statement of this.#statements.clear) statement.run(laneRef)
        this.#statements.countLanes.run(-1)
      }),
    )
  }

  async announce(follower: string, leaseMs: number): Promise<readonly string[]> {
    return this.#guard(() => this.#transaction('BEGIN IMMEDIATE', () => announceFollower(this.#database, follower, leaseMs)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#database.isOpen) this.#guard(() => this.#database.close())
  }

  #addInTransaction(commit: StoredCommit): 'added' | 'known' {
    const lane = this.#laneRow(commit)
    const admitted = admitCommit(commit, { lane, sha256: lane && this.#shaAt(lane, commit.nextPosition) })
    if (admitted === 'known') return 'known'
    if (lane === undefined) {
      const created = this.#statements.insertLane.get(...laneValues(newLane(commit)))
      this.#statements.insertCommit.run(...commitValues(Number(created?.['lane_ref']), commit))
      this.#statements.countLanes.run(1)
      this.#known = undefined
      return 'added'
    }
    this.#insertSegments(lane, commit)
    this.#known = undefined
    this.#statements.updateLane.run(...laneValues(extendedLane(lane, commit)), lane.laneRef)
    return 'added'
  }

  #replaceInTransaction(rewrite: StoredCommit): 'added' | 'known' {
    const known = this.#laneRow(rewrite)
    const lane = admitRewrite(rewrite, { lane: known, sha256: known && this.#shaAt(known, placeOf(rewrite)) })
    if (lane === 'known') return 'known'
    const entries = toRanges(lane, this.#statements.directory.all(lane.laneRef, 0))
    const isReplaced = ({ firstPosition }: DirectoryEntry) =>
      firstPosition >= rewrite.firstPosition && firstPosition < rewrite.nextPosition
    const replaced = entries.filter(isReplaced).map((entry) => this.#segment(lane, entry))
    this.#statements.insertCommit.run(...commitValues(lane.laneRef, rewrite))
    for (const segment of rewrite.segments) this.#statements.insertSegment.run(...segmentValues(lane.laneRef, rewrite, segment))
    const kept = [...entries.filter((entry) => !isReplaced(entry)), ...entriesOf(rewrite)]
    this.#statements.clearDirectory.run(lane.laneRef)
    for (const values of chunkValues(lane.laneRef, 0, kept)) this.#statements.putDirectory.run(...values)
    this.#known = undefined
    this.#statements.updateLane.run(...laneValues(rewrittenLane(lane, rewrite, replaced)), lane.laneRef)
    return 'added'
  }

  #insertSegments(lane: LaneRow, commit: StoredCommit): void {
    this.#statements.insertCommit.run(...commitValues(lane.laneRef, commit))
    for (const segment of commit.segments) this.#statements.insertSegment.run(...segmentValues(lane.laneRef, commit, segment))
    const last = this.#statements.directory.get(lane.laneRef, openChunk(lane))
    for (const values of directoryValues(lane, last, entriesOf(commit))) this.#statements.putDirectory.run(...values)
  }

  /** SHA-256 (hex) of the commit or rewrite in that place of the lane. */
  #shaAt(lane: LaneRow, place: number): string | undefined {
    const row = this.#statements.commit.get(lane.laneRef, place)
    return row === undefined ? undefined : toHex(row['sha256'])
  }

  #laneRow(id: LaneId): LaneRow | undefined {
    const row = this.#statements.lane.get(id.topic, id.topicId, id.lane)
    return row === undefined ? undefined : toLane(row)
  }

  #laneRows(topic: string | undefined): readonly LaneRow[] {
    const version = Number(this.#statements.version.get()?.['data_version'])
    // SQLite's data version tells of other connections' changes; this one's own forget what is known.
    if (this.#known?.version !== version) this.#known = { version, lanes: this.#transaction('BEGIN', () => this.#allLanes()) }
    const { lanes } = this.#known
    return topic === undefined ? lanes : lanes.filter((lane) => lane.topic === topic)
  }

  #allLanes(): readonly LaneRow[] {
    const lanes = this.#statements.lanes.all().map(toLane).sort(compareLanes)
    if (lanes.length === this.#statements.laneCount.get()?.['lanes']) return lanes
    throw new MillpondError('INDEX_CORRUPT', `${this.#path} has lost lanes; ${REMEDY}`)
  }

  /** The lane's segments that the query's ranges touch, by first position; none where the lane was cleared meanwhile. */
  #candidates(lane: LaneRow, query: SegmentQuery): DirectoryEntry[] {
    const row = this.#statements.laneByRef.get(lane.laneRef)
    if (row === undefined) return []
    const entries = toRanges(toLane(row), this.#statements.directory.all(lane.laneRef, 0))
    return entries.filter((entry) => rangeMayHold(entry, query)).sort((a, b) => a.firstPosition - b.firstPosition)
  }

  #page(lane: LaneRow, entries: readonly DirectoryEntry[], query: SegmentQuery): IndexedSegment[] {
    if (this.#statements.laneByRef.get(lane.laneRef) === undefined) return []
    const segments: IndexedSegment[] = []
    for (const entry of entries) {
      const segment = this.#segment(lane, entry)
      if (query.layout === undefined || hasLayout(segment, query.layout)) segments.push(segment)
    }
    return segments
  }

  #segment({ topic, topicId, lane, laneRef }: LaneRow, entry: DirectoryEntry): IndexedSegment {
    const id: LaneId = { topic, topicId, lane }
    const row = this.#statements.segment.get(laneRef, entry.firstPosition, ...placesOf(entry))
    if (row === undefined) throw damagedLane(laneName(id))
    return toSegment(id, row, this.#statements.commit.get(laneRef, Number(row['commit_next'])))
  }

  #transaction<T>(begin: 'BEGIN' | 'BEGIN IMMEDIATE', act: () => T): T {
    return inTransaction(this.#database, begin, act)
  }

  #guard<T>(act: () => T): T {
    try {
      return act()
    } catch (error) {
      throw indexError(error, this.#path)
    }
  }
}
