import type { SegmentRange } from '../../index/segment-directory.ts'
import type { IndexedSegment } from '../../index/segment-index.ts'
import type { IndexCollections } from './index-collections.ts'
import { type Chunk, chunkName, decodeRuns, type Run } from './index-directory.ts'
import { idOf } from './insert.ts'
import { chunkId, damagedLane, type LaneState, placeId, toSegments } from './index-documents.ts'

/** Segments that one request asks for at the most, but for those of one document. */
const PAGE_SEGMENTS = 128
const PAGE_CHUNKS = 16
/** Chunks kept in memory: about 64 KiB each. */
const KEPT_CHUNKS = 256

/** Reads what a lane's document says that there is. */
export interface DirectoryReader {
  /** The segments whose ranges may hold what is asked for, by first position, in pages; they end early where the lane was cleared meanwhile. */
  pages(state: LaneState, mayHold: (range: SegmentRange) => boolean): AsyncGenerator<readonly IndexedSegment[]>
  /** The runs of each chunk, in order; undefined where the lane was cleared meanwhile. `fresh` asks none of the server's copies. */
  runs(state: LaneState, chunks: readonly Chunk[], fresh: boolean): Promise<readonly (readonly Run[])[] | undefined>
  /** The segments of the runs, in order; undefined where the lane was cleared meanwhile. */
  segments(state: LaneState, runs: readonly Run[], fresh: boolean): Promise<IndexedSegment[] | undefined>
}

/** Reads by the collections; chunks, which never change, are kept. */
export function directoryReader(documents: IndexCollections): DirectoryReader {
  const kept = new Map<string, readonly Run[]>()

  /** Documents by `_id`, in order: those that a copy does not have yet are asked of the newest. Undefined where the lane was cleared. */
  async function whole<T extends { readonly _id: string }>(
    state: LaneState,
    ids: readonly string[],
    fresh: boolean,
    read: (ids: readonly string[], fresh: boolean) => Promise<T[]>,
  ): Promise<T[] | undefined> {
    const found = new Map<string, T>()
    const note = (some: readonly T[]) => {
      for (const document of some) found.set(idOf(document), document)
    }
    if (ids.length > 0) note(await read(ids, fresh))
    const missing = ids.filter((id) => !found.has(id))
    if (missing.length > 0) note(await read(missing, true))
    if (found.size === ids.length) return ids.map((id) => found.get(id)!)
    if ((await documents.lane(state.lane))?.ref !== state.ref) return undefined
    throw damagedLane(state.lane)
  }

  async function runs(
    state: LaneState,
    chunks: readonly Chunk[],
    fresh: boolean,
  ): Promise<readonly (readonly Run[])[] | undefined> {
    const { ref, lane } = state
    const held = new Map<string, readonly Run[]>()
    const wanted: string[] = []
    for (const { name } of chunks) {
      const known = kept.get(chunkId(ref, name))
      if (known === undefined) wanted.push(chunkId(ref, name))
      else held.set(chunkId(ref, name), known)
    }
    const read = await whole(state, wanted, fresh, (ids, anew) => documents.chunks(ids, anew))
    for (const { _id, runs: bytes } of read ?? []) {
      if (chunkId(ref, chunkName(bytes)) !== _id) throw damagedLane(lane)
      const decoded = decodeRuns(bytes)
      held.set(_id, decoded)
      kept.set(_id, decoded)
    }
    for (const id of kept.keys()) if (kept.size > KEPT_CHUNKS) kept.delete(id)
    return read && chunks.map(({ name }) => held.get(chunkId(ref, name))!)
  }

  async function segments(state: LaneState, some: readonly Run[], fresh: boolean): Promise<IndexedSegment[] | undefined> {
    const wanted = some.map((run) => placeId(state.ref, run))
    const parts = await whole(state, wanted, fresh, (ids, anew) => documents.parts(ids, anew))
    return parts?.flatMap((part, at) => {
      const held = new Map(toSegments(state.lane, part).map((segment) => [segment.firstPosition, segment]))
      return some[at]!.entries.map((entry) => {
        const segment = held.get(entry.firstPosition)
        if (segment === undefined || !isSameRange(segment, entry)) throw damagedLane(state.lane)
        return segment
      })
    })
  }

  async function* candidates(state: LaneState, mayHold: (range: SegmentRange) => boolean): AsyncGenerator<Run> {
    const { chunks, open } = state.directory
    const wanted = chunks.filter(mayHold)
    for (let at = 0; at < wanted.length; at += PAGE_CHUNKS) {
      const read = await runs(state, wanted.slice(at, at + PAGE_CHUNKS), false)
      if (read === undefined) return
      for (const held of read) yield* narrowed(held, mayHold)
    }
    yield* narrowed(open, mayHold)
  }

  async function* pages(state: LaneState, mayHold: (range: SegmentRange) => boolean): AsyncGenerator<readonly IndexedSegment[]> {
    for await (const page of inPages(candidates(state, mayHold))) {
      const read = await segments(state, page, false)
      if (read === undefined) return
      yield read
    }
  }

  return { pages, runs, segments }
}

async function* inPages(runs: AsyncIterable<Run>): AsyncGenerator<readonly Run[]> {
  let page: Run[] = []
  let count = 0
  for await (const run of runs) {
    page.push(run)
    count += run.entries.length
    if (count < PAGE_SEGMENTS) continue
    yield page
    page = []
    count = 0
  }
  if (page.length > 0) yield page
}

function* narrowed(runs: readonly Run[], mayHold: (range: SegmentRange) => boolean): Generator<Run> {
  for (const run of runs) {
    const entries = run.entries.filter(mayHold)
    if (entries.length > 0) yield { ...run, entries }
  }
}

const isSameRange = (a: SegmentRange, b: SegmentRange): boolean =>
  a.lastPosition === b.lastPosition && a.minTimestamp === b.minTimestamp && a.maxTimestamp === b.maxTimestamp
