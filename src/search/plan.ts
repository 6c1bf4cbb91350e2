import type { BlockEntry, SegmentLookup } from '../encode/segment.ts'
import { checkSlice, lookupHash, presenceHash, probeSlice, sliceOf } from '../encode/lookup.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import { rangeMayHold } from '../index/segment-directory.ts'
import type { IndexedSegment, SegmentIndex } from '../index/segment-index.ts'
import { laneName } from '../source/lane.ts'
import type { ReadContext } from './context.ts'
import { questionsOf } from './query.ts'
import type { LookupQuestion, MessageQuery } from './query.ts'
import { readAhead } from './read-ahead.ts'

/** A segment and those of its blocks, in order, that may hold what is asked for. */
export interface SegmentPlan {
  readonly segment: IndexedSegment
  readonly blocks: readonly BlockEntry[]
}

/** Segments whose filters are read side by side: a store far away answers each only after a while. */
const SEGMENTS_AT_ONCE = 16

/** Segments with blocks to read, by lane and first position. Filters are asked where the segment has them for a field that is asked for. */
export async function* planSegments(context: ReadContext, index: SegmentIndex, query: MessageQuery): AsyncGenerator<SegmentPlan> {
  const questions = questionsOf(query)
  const plans = readAhead(index.segments(query), (segment) => planSegment(context, segment, query, questions), {
    count: SEGMENTS_AT_ONCE,
    weight: Infinity,
    weightOf: () => 0,
  })
  for await (const plan of plans) {
    context.signal.throwIfAborted()
    if (plan.blocks.length > 0) yield plan
  }
}

async function planSegment(
  context: ReadContext,
  segment: IndexedSegment,
  query: MessageQuery,
  questions: readonly LookupQuestion[],
): Promise<SegmentPlan> {
  const inRange = segment.blocks.filter((block) => rangeMayHold(block, query))
  if (inRange.length === 0 || questions.length === 0) return { segment, blocks: inRange }
  const answers = await Promise.all(questions.map((question) => candidates(context, segment, question)))
  const asked = answers.filter((answer) => answer !== undefined)
  const blocks = segment.blocks.filter(
    (block, ordinal) => rangeMayHold(block, query) && asked.every((answer) => answer.has(ordinal)),
  )
  return { segment, blocks }
}

/** Ordinals of the blocks that may answer the question with yes; undefined where the segment has no filters for its field. */
async function candidates(
  context: ReadContext,
  segment: IndexedSegment,
  question: LookupQuestion,
): Promise<ReadonlySet<number> | undefined> {
  const lookup = segment.lookups.find(({ field }) => field === question.field)
  if (lookup === undefined) return undefined
  const hash = question.value === undefined ? presenceHash : lookupHash(question.value)
  const slice = await readSlice(context, segment, lookup, sliceOf(lookup, hash))
  return new Set(probeSlice(lookup, slice, hash))
}

async function readSlice(
  { store, slices, counters, signal }: ReadContext,
  segment: IndexedSegment,
  lookup: SegmentLookup,
  range: { readonly start: number; readonly end: number },
): Promise<Uint8Array> {
  const name = `${segment.commitKey}:${range.start}`
  const known = slices?.get(name)
  if (known !== undefined) return known
  const bytes = await store.read(segment.commitKey, range, signal).catch((error: unknown) => {
    if (!isMillpondError(error, 'OBJECT_MISSING')) throw error
    throw damaged('CHAIN_BROKEN', segment, lookup, 'the commit is gone', error)
  })
  counters.bytesRead += bytes.byteLength
  try {
    checkSlice(lookup, bytes)
  } catch (error) {
    throw damaged('COMMIT_CORRUPT', segment, lookup, error instanceof Error ? error.message : String(error), error)
  }
  slices?.put(name, bytes)
  return bytes
}

function damaged(
  code: 'CHAIN_BROKEN' | 'COMMIT_CORRUPT',
  { commitKey, key, lane }: IndexedSegment,
  { field, offset }: SegmentLookup,
  why: string,
  cause: unknown,
): MillpondError {
  const message = `commit ${commitKey}, which holds the filters of ${field} of segment ${key} of lane ${laneName(lane)}: ${why}`
  return new MillpondError(code, message, { cause, details: { key: commitKey, segment: key, ...lane, field, offset } })
}
