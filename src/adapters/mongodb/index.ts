import { randomBytes } from 'node:crypto'
import type { StoredCommit } from '../../commit/commit.ts'
import { MillpondError } from '../../errors.ts'
import { admitCommit, admitRewrite } from '../../index/admission.ts'
import { extendedLane, hasLayout, laneMayHold, rewrittenLane } from '../../index/lane-totals.ts'
import { compareLanes } from '../../index/lane-order.ts'
import { rangeMayHold } from '../../index/segment-directory.ts'
import type { IndexedLane, IndexedSegment, SegmentIndex, SegmentQuery } from '../../index/segment-index.ts'
import { laneName } from '../../source/lane.ts'
import type { LaneId } from '../../source/lane.ts'
import { once, openMongo, type OpenMongo } from './client.ts'
import { announceFollower } from './followers.ts'
import { mongoError } from './errors.ts'
import { type IndexCollections, indexCollections } from './index-collections.ts'
import { appendRuns, type ChangedDirectory, type Run, spliceRuns, touchedPieces } from './index-directory.ts'
import {
  commitDocuments,
  type CommitRecord,
  damagedLane,
  firstState,
  laneKey,
  type LaneState,
  placeOf,
  toLane,
  toLaneState,
  toRecord,
} from './index-documents.ts'
import { type DirectoryReader, directoryReader } from './index-reading.ts'
import type { MongoOptions } from './options.ts'

/** Lanes whose newest state a process that adds keeps in memory. */
const KEPT_LANES = 1024
/** How often a lane that others change is taken up again: each time another one has come further. */
const ATTEMPTS = 100
const REF_BYTES = 8

/**
 * An index in a database of MongoDB. Any number of processes may use it at once. A commit is added by the one insertion of its first
 * document, whose `_id` is its place; what readers see is the document of its lane, which then takes it in. A process that ends in between
 * leaves that to whoever comes next.
 * @throws MillpondError `DEPENDENCY_MISSING`; `CONFIG_INVALID` for a connection string that is none.
 */
export async function openMongoIndex(options: MongoOptions): Promise<SegmentIndex> {
  try {
    return new MongoIndex(await openMongo(options), options.collectionPrefix)
  } catch (error) {
    throw indexError(error, 'the index in MongoDB')
  }
}

const indexError = (error: unknown, name: string): MillpondError =>
  mongoError(error, { unavailable: 'INDEX_UNAVAILABLE', corrupt: 'INDEX_CORRUPT' }, name)

/** A class for what it keeps in memory. */
class MongoIndex implements SegmentIndex {
  readonly name: string
  readonly #mongo: OpenMongo
  readonly #prefix: string
  readonly #documents: IndexCollections
  readonly #reader: DirectoryReader
  readonly #kept = new Map<string, LaneState>()
  /** Makes the secondary index: readers need no right to, so it is for the first that writes. */
  readonly #prepare: () => Promise<void>

  constructor(mongo: OpenMongo, prefix: string) {
    this.name = mongo.name
    this.#mongo = mongo
    this.#prefix = prefix
    this.#documents = indexCollections(mongo, prefix)
    this.#reader = directoryReader(this.#documents)
    this.#prepare = once(() => this.#documents.prepare())
  }

  add(commit: StoredCommit): Promise<'added' | 'known'> {
    return this.#guard(async () => {
      await this.#prepare()
      return this.#add(commit)
    })
  }

  replace(rewrite: StoredCommit): Promise<'added' | 'known'> {
    return this.#guard(async () => {
      await this.#prepare()
      return this.#put(rewrite, async (state) => {
        const { rewrite: number } = placeOf(rewrite)
        const covered = state !== undefined && number <= state.lane.rewrites
        const link = covered ? await this.#documents.linkAt(state.ref, placeOf(rewrite)) : undefined
        return admitRewrite(rewrite, { lane: state?.lane, sha256: link?.sha256 }) === 'known' ? 'known' : 'new'
      })
    })
  }

  lane(id: LaneId): Promise<IndexedLane | undefined> {
    return this.#guard(async () => (await this.#newest(id))?.lane)
  }

  lanes(topic?: string): Promise<readonly IndexedLane[]> {
    return this.#guard(async () => (await this.#documents.lanes(topic)).map(toLane).sort(compareLanes))
  }

  async *segments(query: SegmentQuery): AsyncGenerator<IndexedSegment> {
    const states = await this.#guard(async () => {
      const documents = await this.#documents.laneDirectories(query.topic)
      return documents.map(toLaneState).filter(({ lane }) => laneMayHold(lane, query))
    })
    states.sort((a, b) => compareLanes(a.lane, b.lane))
    for (const state of states) {
      const pages = this.#reader.pages(state, (range) => rangeMayHold(range, query))
      for (;;) {
        const page = await this.#guard(() => pages.next())
        if (page.done === true) break
        for (const segment of page.value) if (query.layout === undefined || hasLayout(segment, query.layout)) yield segment
      }
    }
  }

  clear(id?: LaneId): Promise<void> {
    return this.#guard(async () => {
      this.#kept.clear()
      await (id === undefined ? this.#documents.removeAll() : this.#documents.removeLane(id))
    })
  }

  announce(follower: string, leaseMs: number): Promise<readonly string[]> {
    return this.#guard(() => announceFollower(this.#mongo.database, `${this.#prefix}followers`, follower, leaseMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guard(async () => this.#mongo[Symbol.asyncDispose]())
  }

  async #add(commit: StoredCommit): Promise<'added' | 'known'> {
    return this.#put(commit, async (state) =>
      admitCommit(commit, { lane: state?.lane, sha256: state && (await this.#shaAt(state, commit)) }),
    )
  }

  /**
   * Adds a commit or rewrite that is admitted. What was kept in memory is good for what is new only: that is found out where it is wrong, while
   * what is known, or does not follow, is asked of the server.
   */
  async #put(
    commit: StoredCommit,
    admit: (state: LaneState | undefined) => Promise<'known' | 'new' | 'genesis'>,
  ): Promise<'added' | 'known'> {
    const kept = this.#kept.get(laneKey(commit))
    let state = kept !== undefined && follows(kept, commit) ? kept : await this.#newest(commit)
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const admitted = await admit(state)
      if (admitted === 'known') return 'known'
      const isAdded =
        admitted === 'genesis' || state === undefined
          ? await this.#documents.insertLane(firstState(commit, randomBytes(REF_BYTES).toString('hex')))
          : await this.#insert(state, commit)
      if (isAdded) return 'added'
      // Another was first, and its commit is taken in by then; or the lane was cleared, and what was kept of it is of no use.
      state = await this.#newest(commit)
    }
    throw this.#busy(commit)
  }

  /** Adds what follows `state`; false where something is in its place, or the lane is gone. */
  async #insert(state: LaneState, commit: StoredCommit): Promise<boolean> {
    const place = placeOf(commit)
    if (!(await this.#documents.insertCommit(state.ref, commit))) return false
    const record = toRecord(state.lane, place, commitDocuments(state.ref, commit))
    if (await this.#takeIn(state, place, record)) return true
    // The lane was cleared meanwhile, and with it all that the commit would follow.
    await this.#documents.removeCommit(state.ref, commit)
    return false
  }

  /** SHA-256 (hex) of the commit that ends where this one does. */
  async #shaAt({ ref, lane, genesisSha256 }: LaneState, commit: StoredCommit): Promise<string | undefined> {
    if (commit.nextPosition === lane.firstPosition) return genesisSha256
    if (commit.nextPosition === lane.nextPosition) return lane.headSha256
    if (commit.firstPosition >= lane.nextPosition) return undefined
    const link = await this.#documents.linkAt(ref, { rewrite: 0, place: commit.firstPosition, part: 0 })
    return link?.nextPosition === commit.nextPosition ? link.sha256 : undefined
  }

  /** The lane as it is now, with what was added and not yet taken in. */
  async #newest(id: LaneId): Promise<LaneState | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const state = await this.#documents.lane(id)
      if (state === undefined) {
        this.#kept.delete(laneKey(id))
        return undefined
      }
      const waiting = await this.#waiting(state)
      if (waiting === undefined) {
        this.#keep(state)
        return state
      }
      await this.#step(state, waiting.place, waiting.record)
    }
    throw this.#busy(id)
  }

  /** What was added behind the state and not taken in yet: the next of it. */
  async #waiting({
    lane,
    ref,
  }: LaneState): Promise<{ readonly place: Omit<Run, 'entries'>; readonly record: CommitRecord } | undefined> {
    const places = [
      { rewrite: 0, place: lane.nextPosition, part: 0 },
      { rewrite: lane.rewrites + 1, place: lane.rewrites, part: 0 },
    ]
    const records = await Promise.all(places.map((place) => this.#documents.recordAt(lane, ref, place)))
    for (const [at, place] of places.entries()) {
      const record = records[at]
      if (record !== undefined && isNext(lane, place, record)) return { place, record }
    }
    return undefined
  }

  /** Has the lane's document take in a commit or rewrite that was inserted; false where the lane is no longer there. */
  async #takeIn(from: LaneState, place: Omit<Run, 'entries'>, record: CommitRecord): Promise<boolean> {
    if (await this.#step(from, place, record)) return true
    const now = await this.#newest(from.lane)
    if (now?.ref !== from.ref) return false
    const isCovered = place.rewrite === 0 ? now.lane.nextPosition > place.place : now.lane.rewrites > place.place
    if (!isCovered) throw damagedLane(from.lane)
    return true
  }

  /** Puts the state after the commit or rewrite in the place of `from`; false where the document is in another state. */
  async #step(from: LaneState, place: Omit<Run, 'entries'>, record: CommitRecord): Promise<boolean> {
    const after = await this.#after(from, place, record)
    if (after === undefined) return false
    const { to, sealed } = after
    await this.#documents.putChunks(from.ref, sealed)
    const isDone = await this.#documents.replaceLane(to)
    if (isDone) this.#keep(to)
    return isDone
  }

  /** The state after the commit or rewrite; undefined where the lane was cleared. */
  async #after(
    from: LaneState,
    { rewrite }: Omit<Run, 'entries'>,
    record: CommitRecord,
  ): Promise<{ to: LaneState; sealed: ChangedDirectory['sealed'] } | undefined> {
    const { lane, directory } = from
    if (rewrite === 0) {
      const changed = appendRuns(directory, record.runs)
      return { to: { ...from, lane: extendedLane(lane, record), directory: changed.directory }, sealed: changed.sealed }
    }
    const touched = touchedPieces(directory, record)
    const held = await this.#reader.runs(from, directory.chunks.slice(touched.from, touched.to), true)
    if (held === undefined) return undefined
    const changed = spliceRuns(directory, record, held.flat(), record.runs)
    const replaced = await this.#reader.segments(from, changed.replaced, true)
    if (replaced === undefined) return undefined
    return { to: { ...from, lane: rewrittenLane(lane, record, replaced), directory: changed.directory }, sealed: changed.sealed }
  }

  #busy(id: LaneId): MillpondError {
    const why = 'others change it all the time, or something is in the place of its next commit that does not follow'
    return new MillpondError('INDEX_UNAVAILABLE', `lane ${laneName(id)} of ${this.name} cannot be changed: ${why}`)
  }

  #keep(state: LaneState): void {
    const { _id } = state
    this.#kept.delete(_id)
    this.#kept.set(_id, state)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > KEPT_LANES && oldest !== undefined) this.#kept.delete(oldest)
  }

  async #guard<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw indexError(error, this.name)
    }
  }
}

/** Whether the commit or rewrite is the next of the lane in that state. */
function follows({ lane }: LaneState, commit: StoredCommit): boolean {
  if (commit.kind === 'genesis') return false
  return isNext(lane, placeOf(commit), commit)
}

function isNext(
  lane: IndexedLane,
  { rewrite, place }: Omit<Run, 'entries'>,
  { previousSha256, nextPosition }: { readonly previousSha256: string; readonly nextPosition: number },
): boolean {
  if (rewrite === 0) return place === lane.nextPosition && previousSha256 === lane.headSha256
  return place === lane.rewrites && previousSha256 === lane.rewriteSha256 && nextPosition <= lane.nextPosition
}
