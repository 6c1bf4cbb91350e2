import { createHash } from 'node:crypto'
import { NumberReader, NumberWriter } from '../../index/numbers.ts'
import { decodeRanges, encodeRanges } from '../../index/segment-directory.ts'
import type { DirectoryEntry, SegmentRange } from '../../index/segment-directory.ts'

/** Consecutive segments of a lane that lie in one document. */
export interface Run {
  /** Which rewrite made them, counted from 1; 0 for a commit. */
  readonly rewrite: number
  /** First position of the commit; of a rewrite, its number counted from 0. */
  readonly place: number
  /** Which of the documents of the commit or rewrite it is. */
  readonly part: number
  readonly entries: readonly DirectoryEntry[]
}

/** A piece of the directory in a document of its own, which never changes. */
export interface Chunk extends SegmentRange {
  /** Made of its content. */
  readonly name: string
  readonly count: number
}

/** Where a lane's segments lie, by position: `chunks` first, then `open`. */
export interface Directory {
  readonly chunks: readonly Chunk[]
  readonly open: readonly Run[]
}

/** A directory, and the chunks that have to be written before it is used. */
export interface ChangedDirectory {
  readonly directory: Directory
  readonly sealed: readonly { readonly name: string; readonly bytes: Uint8Array }[]
}

/** Segments past which the open part becomes a chunk: the open part is written with each commit, the list of chunks too. */
const CHUNK_SEGMENTS = 512
const NAME_HEX = 24

const countOf = (runs: readonly Run[]): number => runs.reduce((sum, { entries }) => sum + entries.length, 0)

/** All segments of a directory. */
export const segmentCount = ({ chunks, open }: Directory): number => chunks.reduce((sum, { count }) => sum + count, countOf(open))

/** The directory with segments behind all others. */
export function appendRuns({ chunks, open }: Directory, runs: readonly Run[]): ChangedDirectory {
  const longer = [...open, ...runs]
  if (countOf(longer) < CHUNK_SEGMENTS) return { directory: { chunks, open: longer }, sealed: [] }
  const { chunk, bytes } = seal(longer)
  return { directory: { chunks: [...chunks, chunk], open: [] }, sealed: [{ name: chunk.name, bytes }] }
}

/** Which of a directory's pieces a change of the positions from `firstPosition` to before `nextPosition` takes apart. */
export interface Touched {
  readonly from: number
  readonly to: number
  readonly open: boolean
}

/** The pieces that hold those positions, and a small one before them, so that small ones become few. */
export function touchedPieces({ chunks, open }: Directory, range: { firstPosition: number; nextPosition: number }): Touched {
  const end = (at: number) => (at === -1 ? chunks.length : at)
  const first = end(chunks.findIndex(({ lastPosition }) => lastPosition >= range.firstPosition))
  const to = end(chunks.findIndex(({ firstPosition }, at) => at >= first && firstPosition >= range.nextPosition))
  const openFirst = open[0]?.entries[0]?.firstPosition ?? -Infinity
  const joinsSmall = first > 0 && chunks[first - 1]!.count < CHUNK_SEGMENTS / 2
  return { from: joinsSmall ? first - 1 : first, to, open: to === chunks.length && openFirst < range.nextPosition }
}

/** The directory with `runs` in the place of all segments of their positions. `held` are the runs of the touched chunks, in order. */
export function spliceRuns(
  directory: Directory,
  range: { readonly firstPosition: number; readonly nextPosition: number },
  held: readonly Run[],
  runs: readonly Run[],
): ChangedDirectory & { readonly replaced: readonly Run[] } {
  const touched = touchedPieces(directory, range)
  const isInside = ({ firstPosition }: DirectoryEntry) =>
    firstPosition >= range.firstPosition && firstPosition < range.nextPosition
  const all = touched.open ? [...held, ...directory.open] : held
  const only = (which: (entry: DirectoryEntry) => boolean) =>
    all.map((run) => ({ ...run, entries: run.entries.filter(which) })).filter(({ entries }) => entries.length > 0)
  const before = only(({ firstPosition }) => firstPosition < range.firstPosition)
  const after = only(({ firstPosition }) => firstPosition >= range.nextPosition)
  const { full, rest } = packed([...before, ...runs, ...after])
  const pieces = touched.open || rest.length === 0 ? full : [...full, rest]
  const sealed = pieces.map(seal)
  const chunks = directory.chunks.toSpliced(touched.from, touched.to - touched.from, ...sealed.map(({ chunk }) => chunk))
  return {
    directory: { chunks, open: touched.open ? rest : directory.open },
    sealed: sealed.map(({ chunk, bytes }) => ({ name: chunk.name, bytes })),
    replaced: only(isInside),
  }
}

function packed(runs: readonly Run[]): { full: Run[][]; rest: Run[] } {
  const full: Run[][] = []
  let rest: Run[] = []
  for (const run of runs) {
    rest.push(run)
    if (countOf(rest) < CHUNK_SEGMENTS) continue
    full.push(rest)
    rest = []
  }
  return { full, rest }
}

function seal(runs: readonly Run[]): { chunk: Chunk; bytes: Uint8Array } {
  const bytes = encodeRuns(runs)
  const entries = runs.flatMap((run) => run.entries)
  const most = (of: (entry: DirectoryEntry) => number) => entries.reduce((max, entry) => Math.max(max, of(entry)), -Infinity)
  const chunk: Chunk = {
    name: chunkName(bytes),
    count: entries.length,
    firstPosition: -most(({ firstPosition }) => -firstPosition),
    lastPosition: most(({ lastPosition }) => lastPosition),
    minTimestamp: -most(({ minTimestamp }) => -minTimestamp),
    maxTimestamp: most(({ maxTimestamp }) => maxTimestamp),
  }
  return { chunk, bytes }
}

/** The name of a chunk of these bytes. */
export const chunkName = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, NAME_HEX)

/** Runs as compact bytes, about 10 a segment. */
export function encodeRuns(runs: readonly Run[]): Uint8Array {
  const out = new NumberWriter()
  out.unsigned(runs.length)
  let expected = 0
  for (const { rewrite, place, part, entries } of runs) {
    out.unsigned(rewrite)
    out.relative(place, rewrite === 0 ? expected : rewrite - 1)
    out.unsigned(part)
    out.unsigned(entries.length)
    expected = (entries.at(-1)?.lastPosition ?? -1) + 1
  }
  return withRanges(out.finish(), encodeRanges(runs.flatMap(({ entries }) => entries)))
}

/**
 * What `encodeRuns` was given.
 * @throws RangeError where the bytes are not that.
 */
export function decodeRuns(bytes: Uint8Array): Run[] {
  const { from, ranges: entries } = splitRanges(bytes)
  const runs: Run[] = []
  let at = 0
  for (let left = from.count(); left > 0; left--) {
    const expected = (entries[at - 1]?.lastPosition ?? -1) + 1
    const rewrite = from.unsigned()
    const place = from.relative(rewrite === 0 ? expected : rewrite - 1)
    const part = from.unsigned()
    const count = from.unsigned()
    runs.push({ rewrite, place, part, entries: entries.slice(at, at + count) })
    at += count
  }
  if (!from.ended || at !== entries.length) throw new RangeError('the runs do not hold the ranges')
  return runs
}

/** The list of chunks as compact bytes. */
export function encodeChunks(chunks: readonly Chunk[]): Uint8Array {
  const out = new NumberWriter()
  out.unsigned(chunks.length)
  for (const { name, count } of chunks) {
    out.text(name)
    out.unsigned(count)
  }
  return withRanges(out.finish(), encodeRanges(chunks.map((chunk) => ({ ...chunk, rewrite: 0 }))))
}

/**
 * What `encodeChunks` was given.
 * @throws RangeError where the bytes are not that.
 */
export function decodeChunks(bytes: Uint8Array): Chunk[] {
  const { from, ranges } = splitRanges(bytes)
  const chunks: Chunk[] = []
  const count = from.count()
  if (count !== ranges.length) throw new RangeError('the chunks do not have the ranges')
  for (const { rewrite: _, ...range } of ranges) chunks.push({ name: from.text(), count: from.unsigned(), ...range })
  if (!from.ended) throw new RangeError('bytes follow the chunks')
  return chunks
}

function withRanges(head: Uint8Array, ranges: Uint8Array): Uint8Array {
  const length = new NumberWriter()
  length.fixed32(head.byteLength)
  return Buffer.concat([length.finish(), head, ranges])
}

function splitRanges(bytes: Uint8Array): { from: NumberReader; ranges: DirectoryEntry[] } {
  const start = 4 + new NumberReader(bytes).fixed32()
  return { from: new NumberReader(bytes.subarray(4, start)), ranges: decodeRanges(bytes.subarray(start)) }
}
