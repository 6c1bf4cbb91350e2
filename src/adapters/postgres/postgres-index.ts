import type { StoredCommit } from '../../commit/commit.ts'
import { MillpondError } from '../../errors.ts'
import { admitCommit, admitRewrite } from '../../index/admission.ts'
import { CHUNK_SEGMENTS, toLane, withoutRef } from '../../index/index-rows.ts'
import { chunkValues, commitValues, directoryValues, entriesOf, laneValues, openChunk, placeOf } from '../../index/index-rows.ts'
import { segmentValues, toHex } from '../../index/index-rows.ts'
import type { LaneRow, Row, RowValue } from '../../index/index-rows.ts'
import { extendedLane, newLane, rewrittenLane } from '../../index/lane-totals.ts'
import { compareLanes } from '../../index/lane-order.ts'
import type { DirectoryEntry } from '../../index/segment-directory.ts'
import type { IndexedLane, IndexedSegment, SegmentIndex, SegmentQuery } from '../../index/segment-index.ts'
import { laneName } from '../../source/lane.ts'
import type { LaneId } from '../../source/lane.ts'
import type { Ask, Database } from './database.ts'
import { readDirectories, readSegments, segmentsAt } from './index-reading.ts'
import { DIRECTORY_LISTS, directoryOf, fromRow, SEGMENT_LISTS, toLists, toParameters } from './index-statements.ts'
import type { IndexStatements } from './index-statements.ts'
import type { Readers } from './replicas.ts'

/** Lanes of which this process remembers what it wrote last, so that the next commit needs one statement. */
const MAX_REMEMBERED = 2000
/** How often an addition begins again because another process was first. */
const MAX_ATTEMPTS = 50

/** What an index is made of. */
export interface IndexParts {
  readonly primary: Database
  readonly readers: Readers
  readonly statements: IndexStatements
  /** Resolves when the tables are there. */
  readonly ready: () => Promise<void>
}

/** A lane with the chunk of its directory that is not full. */
interface Known {
  readonly lane: LaneRow
  readonly open: Row | undefined
}

/** An index in PostgreSQL: a class for what it remembers. Any number of processes may use it at once. */
export class PostgresIndex implements SegmentIndex {
  readonly name: string
  readonly #ready: () => Promise<void>
  readonly #primary: Database
  readonly #readers: Readers
  readonly #sql: IndexStatements
  readonly #remembered = new Map<string, Known>()

  constructor({ primary, readers, statements, ready }: IndexParts) {
    this.#ready = ready
    this.#primary = primary
    this.#readers = readers
    this.#sql = statements
    this.name = primary.name
  }

  async add(commit: StoredCommit): Promise<'added' | 'known'> {
    await this.#ready()
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const known = this.#follows(commit) ?? (await this.#lookUp(commit))
      if (known === 'known') return 'known'
      if (await (known === undefined ? this.#begin(commit) : this.#extend(known, commit))) return 'added'
      // Another process was first, or what is remembered is no longer so.
      this.#remembered.delete(laneName(commit))
    }
    throw this.#busy(commit)
  }

  async replace(rewrite: StoredCommit): Promise<'added' | 'known'> {
    await this.#ready()
    this.#remembered.delete(laneName(rewrite))
    const outcome = await this.#primary.transaction((ask) => this.#replaceInTransaction(ask, rewrite))
    this.#readers.wrote()
    return outcome
  }

  async lane(id: LaneId): Promise<IndexedLane | undefined> {
    await this.#ready()
    const ask = await this.#readers.reader()
    const [row] = await ask(this.#sql.lane, toParameters([id.topic, id.topicId, id.lane]))
    return row && withoutRef(toLane(fromRow(row)))
  }

  async lanes(topic?: string): Promise<readonly IndexedLane[]> {
    await this.#ready()
    return (await this.#lanes(await this.#readers.reader(), topic)).map(withoutRef)
  }

  async *segments(query: SegmentQuery): AsyncGenerator<IndexedSegment> {
    await this.#ready()
    const ask = await this.#readers.reader()
    yield* readSegments({ ask, sql: this.#sql }, await this.#lanes(ask, query.topic), query)
  }

  async clear(id?: LaneId): Promise<void> {
    await this.#ready()
    this.#remembered.clear()
    await this.#primary.transaction(async (ask) => {
      if (id === undefined) await ask(this.#sql.clearAll)
      else await this.#clearLane(ask, id)
    })
    this.#readers.wrote()
  }

  async announce(follower: string, leaseMs: number): Promise<readonly string[]> {
    await this.#ready()
    if (leaseMs <= 0) {
      await this.#primary.ask(this.#sql.leave, [follower])
      return []
    }
    const others = await this.#primary.ask(this.#sql.announce, [follower, leaseMs])
    return [follower, ...others.map((row) => String(row['follower']))].sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#readers[Symbol.asyncDispose]()
    await this.#primary[Symbol.asyncDispose]()
  }

  /** What this process wrote last of the lane, if the commit follows it. */
  #follows(commit: StoredCommit): Known | undefined {
    const known = this.#remembered.get(laneName(commit))
    const lane = known?.lane
    const follows =
      lane !== undefined &&
      lane.topicId === commit.topicId &&
      lane.topic === commit.topic &&
      lane.lane === commit.lane &&
      lane.nextPosition === commit.firstPosition &&
      lane.headSha256 === commit.previousSha256 &&
      commit.kind !== 'genesis'
    return follows ? known : undefined
  }

  /** @throws MillpondError `INDEX_GAP`. */
  async #lookUp(commit: StoredCommit): Promise<Known | 'known' | undefined> {
    const place = [...toParameters([commit.topic, commit.topicId, commit.lane]), commit.nextPosition, CHUNK_SEGMENTS]
    const [found] = await this.#primary.ask(this.#sql.place, place)
    const row = found && fromRow(found)
    const lane = row && toLane(row)
    const sha256 = row === undefined || row['known_sha256'] === null ? undefined : toHex(row['known_sha256'])
    const admitted = admitCommit(commit, { lane, sha256 })
    if (admitted === 'known') return 'known'
    return lane && { lane, open: directoryOf(row) }
  }

  async #begin(commit: StoredCommit): Promise<boolean> {
    const [reference] = await this.#primary.ask(this.#sql.nextRef)
    const laneRef = Number(reference?.['lane_ref'])
    const lane = newLane(commit)
    const values = [laneRef, ...toParameters(laneValues(lane)), ...toParameters(commitValues(laneRef, commit).slice(1))]
    if ((await this.#primary.ask(this.#sql.begin, values)).length === 0) return false
    this.#wrote({ lane: { ...lane, laneRef }, open: undefined })
    return true
  }

  async #extend({ lane, open }: Known, commit: StoredCommit): Promise<boolean> {
    const next: LaneRow = { ...extendedLane(lane, commit), laneRef: lane.laneRef }
    const chunks = commit.segments.length === 0 ? [] : directoryValues(lane, open, entriesOf(commit))
    if (!(await this.#write(this.#primary.ask, { lane, next, commit, chunks }))) return false
    const [laneRef, chunk, ranges, check] = chunks.at(-1) ?? []
    const last = laneRef === undefined ? open : { lane_ref: laneRef, chunk, ranges, row_check: check }
    this.#wrote({ lane: next, open: Number(last?.['chunk']) === openChunk(next) ? last : undefined })
    return true
  }

  /** Takes a lane from one state to the next in one statement; false, and nothing done, where it is no longer in the first. */
  async #write(
    ask: Ask,
    change: { readonly lane: LaneRow; readonly next: LaneRow; readonly commit: StoredCommit; readonly chunks: RowValue[][] },
  ): Promise<boolean> {
    const { lane, next, commit, chunks } = change
    const { laneRef } = lane
    const [headSha256, rewriteSha256] = [lane.headSha256, lane.rewriteSha256].map((text) => Buffer.from(text, 'hex'))
    const segments = commit.segments.map((segment) => segmentValues(laneRef, commit, segment))
    const rows = await ask(this.#sql.extend, [
      laneRef,
      headSha256,
      lane.rewrites,
      rewriteSha256,
      ...toParameters(laneValues(next)),
      ...toParameters(commitValues(laneRef, commit).slice(1)),
      ...toLists(segments, SEGMENT_LISTS),
      ...toLists(chunks, DIRECTORY_LISTS),
    ])
    return rows.length > 0
  }

  async #replaceInTransaction(ask: Ask, rewrite: StoredCommit): Promise<'added' | 'known'> {
    const id = toParameters([rewrite.topic, rewrite.topicId, rewrite.lane])
    const [locked] = await ask(this.#sql.lockLane, id)
    const [placed] = await ask(this.#sql.place, [...id, placeOf(rewrite), CHUNK_SEGMENTS])
    const sha256 = placed === undefined || placed['known_sha256'] === null ? undefined : toHex(placed['known_sha256'])
    const lane = admitRewrite(rewrite, { lane: locked && toLane(fromRow(locked)), sha256 })
    if (lane === 'known') return 'known'
    const source = { ask, sql: this.#sql }
    const entries = (await readDirectories(source, [lane])).map(({ entry }) => entry)
    const isReplaced = ({ firstPosition }: DirectoryEntry) =>
      firstPosition >= rewrite.firstPosition && firstPosition < rewrite.nextPosition
    const replaced = await segmentsAt(
      source,
      entries.filter(isReplaced).map((entry) => ({ lane, entry })),
    )
    const kept = [...entries.filter((entry) => !isReplaced(entry)), ...entriesOf(rewrite)]
    await ask(this.#sql.clearDirectory, [lane.laneRef])
    const next: LaneRow = { ...rewrittenLane(lane, rewrite, replaced), laneRef: lane.laneRef }
    if (await this.#write(ask, { lane, next, commit: rewrite, chunks: chunkValues(lane.laneRef, 0, kept) })) return 'added'
    throw this.#busy(rewrite)
  }

  async #clearLane(ask: Ask, id: LaneId): Promise<void> {
    // Locked first, so that the statements that follow see all that an addition at work has written.
    const [lane] = await ask(this.#sql.lockLane, toParameters([id.topic, id.topicId, id.lane]))
    if (lane !== undefined) for (const statement of this.#sql.clearLane) await ask(statement, [lane['lane_ref']])
  }

  async #lanes(ask: Ask, topic: string | undefined): Promise<LaneRow[]> {
    const rows = await ask(this.#sql.lanes, [topic === undefined ? null : toParameters([topic])[0]])
    return rows.map((row) => toLane(fromRow(row))).sort(compareLanes)
  }

  #wrote(known: Known): void {
    this.#readers.wrote()
    const name = laneName(known.lane)
    this.#remembered.delete(name)
    this.#remembered.set(name, known)
    if (this.#remembered.size <= MAX_REMEMBERED) return
    const [oldest] = this.#remembered.keys()
    this.#remembered.delete(oldest!)
  }

  #busy(commit: StoredCommit): MillpondError {
    return new MillpondError('INDEX_UNAVAILABLE', `${this.name}: others keep changing the lane ${laneName(commit)}`)
  }
}
