import type { MessageBatch } from '../batch/batch.ts'
import type { StoredMessages } from '../encode/block.ts'
import type { BlockEntry } from '../encode/segment.ts'
import { checkReadable, checkStoredBlock, openStoredBlock, readStoredBlock } from '../encode/formats.ts'
import { isMillpondError, MillpondError, wrapError } from '../errors.ts'
import { sameLane } from '../index/lane-order.ts'
import type { IndexedSegment } from '../index/segment-index.ts'
import { laneName } from '../source/lane.ts'
import type { ReadContext } from './context.ts'
import type { SegmentPlan } from './plan.ts'
import { readAhead } from './read-ahead.ts'

/** A block to read. Blocks come by lane and first position. */
export interface BlockTask {
  readonly segment: IndexedSegment
  readonly block: BlockEntry
  /** No block that comes later in this lane holds a position below this one. */
  readonly safeBefore: number
  /** No other segment lies across the block's: all blocks around it come in the order of their positions. */
  readonly isApart: boolean
}

/** A block that was read, with all its messages. */
export interface ReadBlock extends BlockTask {
  readonly batch: MessageBatch
}

/** A block that was opened, of whose messages no columns were made. */
export interface OpenedBlock extends BlockTask {
  readonly messages: StoredMessages
}

/** A block as it lies in the segment. */
interface StoredBlock extends BlockTask {
  readonly stored: Uint8Array
}

/** Blocks that lie one behind the other are read at once up to this size. */
const MAX_READ_BYTES = 2 * 1024 * 1024
const READS_AT_ONCE = 16

/**
 * The planned blocks, checked and decoded, in order; reads and decompressions run ahead of the consumer.
 * @throws MillpondError `BLOCK_CORRUPT`, `SEGMENT_CORRUPT`, which name the segment, the offset and the lane; `FORMAT_NOT_READABLE`.
 */
export function readBlocks(context: ReadContext, plans: AsyncIterable<SegmentPlan>): AsyncGenerator<ReadBlock> {
  return readEach(context, readable(plans), (block) => decode(context, block))
}

/**
 * What `open` makes of the planned blocks, whose bytes were compared with their checksums, in order; of whatever format.
 * @throws MillpondError as `readBlocks`; what `open` throws, with the block's name.
 */
export function openBlocks<T>(
  context: ReadContext,
  plans: AsyncIterable<SegmentPlan>,
  open: (task: BlockTask, stored: Uint8Array) => Promise<T>,
): AsyncGenerator<T> {
  return readEach(context, plans, async ({ stored, ...task }) => {
    context.signal.throwIfAborted()
    try {
      check(task, stored)
      const opened = await open(task, stored)
      count(context, task.block)
      return opened
    } catch (error) {
      throw named(task, error)
    }
  })
}

/** The same, but blocks that `isKept` names are only compared with their checksums and decompressed, where that is less work. */
export function readBlocksOrOpen(
  context: ReadContext,
  plans: AsyncIterable<SegmentPlan>,
  isKept: (task: BlockTask) => boolean,
): AsyncGenerator<ReadBlock | OpenedBlock> {
  return readEach<ReadBlock | OpenedBlock>(context, readable(plans), async (block) => {
    const opened = isKept(block) ? await open(context, block) : undefined
    return opened ?? decode(context, block)
  })
}

function readEach<T>(
  context: ReadContext,
  plans: AsyncIterable<SegmentPlan>,
  open: (block: StoredBlock) => Promise<T>,
): AsyncGenerator<T> {
  const { bytes, blocks } = context.readAhead
  const groups = groupsOf(tasksOf(plans), Math.min(MAX_READ_BYTES, bytes / 4))
  const reads = readAhead(groups, (group) => readGroup(context, group), {
    count: READS_AT_ONCE,
    weight: bytes,
    weightOf: (group) => group.reduce((sum, { block }) => sum + block.bytes, 0),
  })
  return readAhead(flat(reads), open, {
    count: blocks,
    weight: bytes,
    weightOf: ({ block }) => block.bytes,
  })
}

async function* readable(plans: AsyncIterable<SegmentPlan>): AsyncGenerator<SegmentPlan> {
  for await (const plan of plans) {
    checkReadable(plan.segment, laneName(plan.segment.lane))
    yield plan
  }
}

/** Tasks of the plans in order of position; only segments of one commit can lie across each other. */
async function* tasksOf(plans: AsyncIterable<SegmentPlan>): AsyncGenerator<readonly BlockTask[]> {
  let across: SegmentPlan[] = []
  let lastPosition = -1
  for await (const plan of plans) {
    const before = across[0]
    if (
      before !== undefined &&
      (plan.segment.firstPosition > lastPosition || !sameLane(plan.segment.lane, before.segment.lane))
    ) {
      yield inOrder(across)
      across = []
      lastPosition = -1
    }
    across.push(plan)
    lastPosition = Math.max(lastPosition, plan.segment.lastPosition)
  }
  if (across.length > 0) yield inOrder(across)
}

function inOrder(plans: readonly SegmentPlan[]): readonly BlockTask[] {
  const tasks = plans.flatMap(({ segment, blocks }) => blocks.map((block) => ({ segment, block })))
  if (plans.length > 1) tasks.sort((a, b) => a.block.firstPosition - b.block.firstPosition)
  const isApart = plans.length === 1
  return tasks.map((task, at) => ({ ...task, safeBefore: tasks[at + 1]?.block.firstPosition ?? Infinity, isApart }))
}

/** Neighbours in one segment, up to `maxBytes`. */
async function* groupsOf(runs: AsyncIterable<readonly BlockTask[]>, maxBytes: number): AsyncGenerator<readonly BlockTask[]> {
  for await (const tasks of runs) {
    let group: BlockTask[] = []
    for (const task of tasks) {
      const [first] = group
      const last = group.at(-1)
      if (first !== undefined && last !== undefined && !(continues(last, task) && endOf(task) - first.block.offset <= maxBytes)) {
        yield group
        group = []
      }
      group.push(task)
    }
    yield group
  }
}

const endOf = ({ block }: BlockTask): number => block.offset + block.bytes
const continues = (last: BlockTask, next: BlockTask): boolean =>
  next.segment === last.segment && next.block.offset === endOf(last)

async function readGroup({ store, counters, signal }: ReadContext, group: readonly BlockTask[]): Promise<StoredBlock[]> {
  const [first] = group
  const last = group.at(-1)
  if (first === undefined || last === undefined) return []
  signal.throwIfAborted()
  const start = first.block.offset
  const bytes = await store.read(first.segment.key, { start, end: endOf(last) }, signal).catch((error: unknown) => {
    if (isMillpondError(error, 'OBJECT_MISSING')) throw damaged('SEGMENT_CORRUPT', first, 'the object is missing', error)
    throw error
  })
  counters.bytesRead += bytes.byteLength
  return group.map((task) => ({ ...task, stored: bytes.subarray(task.block.offset - start, endOf(task) - start) }))
}

async function* flat(groups: AsyncIterable<readonly StoredBlock[]>): AsyncGenerator<StoredBlock> {
  for await (const group of groups) yield* group
}

async function decode(context: ReadContext, { stored, ...task }: StoredBlock): Promise<ReadBlock> {
  const { block, segment } = task
  context.signal.throwIfAborted()
  const batch = await decodeChecked(task, stored)
  if (
    batch.count !== block.count ||
    batch.positions[0] !== block.firstPosition ||
    batch.positions.at(-1) !== block.lastPosition
  ) {
    throw damaged('BLOCK_CORRUPT', task, `it does not hold what commit ${segment.commitKey} says`)
  }
  count(context, block)
  return { ...task, batch }
}

async function open(context: ReadContext, { stored, ...task }: StoredBlock): Promise<OpenedBlock | undefined> {
  context.signal.throwIfAborted()
  try {
    check(task, stored)
    const messages = await openStoredBlock(task.segment, stored, task.block)
    if (messages === undefined) return undefined
    count(context, task.block)
    return { ...task, messages }
  } catch (error) {
    throw named(task, error)
  }
}

function count({ counters }: ReadContext, block: BlockEntry): void {
  counters.blocksRead++
  counters.messagesRead += block.count
}

async function decodeChecked(task: BlockTask, stored: Uint8Array): Promise<MessageBatch> {
  try {
    check(task, stored)
    return await readStoredBlock(task.segment, stored, task.block)
  } catch (error) {
    throw named(task, error)
  }
}

function check(task: BlockTask, stored: Uint8Array): void {
  if (stored.byteLength !== task.block.bytes) throw damaged('SEGMENT_CORRUPT', task, 'the object ends before the block does')
  checkStoredBlock(stored, task.block)
}

/** The error as one that says of which block. */
function named(task: BlockTask, error: unknown): MillpondError {
  if (isMillpondError(error, 'BLOCK_CORRUPT')) return damaged('BLOCK_CORRUPT', task, error.message, error)
  return wrapError(error, 'INTERNAL', describe(task))
}

const describe = ({ segment, block }: BlockTask): string =>
  `block at byte ${block.offset} (positions ${block.firstPosition} to ${block.lastPosition}) of segment ${segment.key} of lane ${laneName(segment.lane)}`

function damaged(code: 'BLOCK_CORRUPT' | 'SEGMENT_CORRUPT', task: BlockTask, why: string, cause?: unknown): MillpondError {
  const { segment, block } = task
  const details = { key: segment.key, offset: block.offset, ...segment.lane, firstPosition: block.firstPosition }
  return new MillpondError(code, `${describe(task)}: ${why}`, cause === undefined ? { details } : { cause, details })
}
