import type { BlockEntry, SegmentLookup } from '../encode/segment.ts'
import { checkSlice, lookupHash, presenceHash, probeSlice, sliceOf } from '../encode/lookup.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { IndexedSegment, SegmentIndex } from '../index/segment-index.ts'
import { laneName } from '../source/lane.ts'
import type { ByteRange } from '../store/store.ts'
import type { ReadContext } from './context.ts'
import type { LookupQuestion } from './lookup-question.ts'
import { readAhead } from './read-ahead.ts'
import { type LaneSelection, questionName, type Selection } from './selection.ts'

/** A segment and those of its blocks, in order, that may hold what is asked for. */
export interface SegmentPlan {
  readonly segment: IndexedSegment
  readonly blocks: readonly BlockEntry[]
}

/** Segments whose filters are read side by side: a store far away answers each only after a while. */
const SEGMENTS_AT_ONCE = 16

/** Segments with blocks to read, by lane and first position. Filters are asked where the segment has them for a field that is asked for. */
export async function* planSegments(
  context: ReadContext,
  index: SegmentIndex,
  selection: Selection,
): AsyncGenerator<SegmentPlan> {
  if (selection.isNothing) return
  const plans = readAhead(
    index.segments(selection.segments),
    (segment) => planSegment(context, segment, selection.of(segment.lane)),
    {
      count: SEGMENTS_AT_ONCE,
      weight: Infinity,
      weightOf: () => 0,
    },
  )
  for await (const plan of plans) {
    context.signal.throwIfAborted()
    if (plan.blocks.length > 0) yield plan
  }
}

async function planSegment(context: ReadContext, segment: IndexedSegment, lane: LaneSelection | undefined): Promise<SegmentPlan> {
  if (lane === undefined) return { segment, blocks: [] }
  const mayBeMeant = (block: BlockEntry): boolean => lane.verdict(block) !== 'none'
  if (lane.questions.length === 0) return { segment, blocks: segment.blocks.filter(mayBeMeant) }
  if (!segment.blocks.some(mayBeMeant)) return { segment, blocks: [] }
  const answers = await askAll(context, segment, lane.questions)
  const answerTo = byQuestion(answers)
  const meant = (ordinal: number): boolean => {
    const mayHold = (question: LookupQuestion) => answerTo(question)?.has(ordinal) ?? true
    return lane.verdict(segment.blocks[ordinal]!, mayHold) !== 'none'
  }
  // Of thousands of blocks those are looked at that filters name, where nothing that they deny can be meant.
  const isDenied = lane.verdict(segment, (question) => answerTo(question) === undefined) === 'none'
  const named = isDenied
    ? [...new Set([...answers.values()].flatMap((one) => [...one]))].sort((a, b) => a - b)
    : segment.blocks.keys()
  return { segment, blocks: [...named].filter(meant).map((ordinal) => segment.blocks[ordinal]!) }
}

/** Answers by the question itself: a name is made once for all blocks of a segment, of which there may be hundreds. */
function byQuestion(answers: ReadonlyMap<string, ReadonlySet<number>>) {
  const known = new Map<LookupQuestion, ReadonlySet<number> | undefined>()
  return (question: LookupQuestion): ReadonlySet<number> | undefined => {
    if (!known.has(question)) known.set(question, answers.get(questionName(question)))
    return known.get(question)
  }
}

/** For each question, by its name, the ordinals of the blocks that may answer it with yes; none for those that the segment has no filters for. */
async function askAll(
  context: ReadContext,
  segment: IndexedSegment,
  questions: readonly LookupQuestion[],
): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  // Values whose hashes are near each other lie in one slice.
  const reads = new Map<number, Promise<Uint8Array>>()
  const read: ReadLookup = (lookup, range) => {
    const known = reads.get(range.start)
    if (known !== undefined) return known
    const slice = readSlice(context, segment, lookup, range)
    reads.set(range.start, slice)
    return slice
  }
  const answers = new Map<string, ReadonlySet<number>>()
  const asking = questions.map(async (question) => {
    const answer = await candidates(segment, question, read)
    if (answer !== undefined) answers.set(questionName(question), answer)
  })
  await Promise.all(asking)
  return answers
}

type ReadLookup = (lookup: SegmentLookup, range: ByteRange) => Promise<Uint8Array>

/** Ordinals of the blocks that may answer the question with yes; undefined where the segment has no filters for its field. */
async function candidates(
  segment: IndexedSegment,
  question: LookupQuestion,
  read: ReadLookup,
): Promise<ReadonlySet<number> | undefined> {
  const lookup = segment.lookups.find(({ field }) => field === question.field)
  if (lookup === undefined) return undefined
  const hash = question.value === undefined ? presenceHash : lookupHash(question.value)
  const slice = await read(lookup, sliceOf(lookup, hash))
  try {
    return new Set(probeSlice(lookup, slice, hash))
  } catch (error) {
    throw damaged('COMMIT_CORRUPT', segment, lookup, error instanceof Error ? error.message : String(error), error)
  }
}

async function readSlice(
  { store, slices, counters, signal }: ReadContext,
  segment: IndexedSegment,
  lookup: SegmentLookup,
  range: ByteRange,
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
