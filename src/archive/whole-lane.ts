import type { HeldShare } from '../batch/held-shares.ts'
import { openAccount, type PositionAccount } from '../commit/account.ts'
import type { Chain } from '../commit/chain.ts'
import type { EncodedBlock } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import { type RotationCause, rotationByContent, rotationByTime, scheduledFrom } from '../encode/rotation.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { createSegmentBuilder, type SegmentBuilder } from '../encode/segment-builder.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import { segmentKey } from '../layout/millpond.ts'
import { type BlockFeed, openBlockFeed } from '../source/block-feed.ts'
import type { Fed } from '../source/block-queue.ts'
import { laneName } from '../source/lane.ts'
import type { ObjectWriter } from '../store/store.ts'
import { appendToChain, bury, commitExpired, type LaneRun, nowOf } from './lane-run.ts'

const NO_BYTES = new Uint8Array(0)

/** Archives a lane whose messages all go to one segment, from its chain's end on, until the signal aborts or it is read up to `endPosition`. */
export async function archiveWhole(run: LaneRun, chain: Chain, endPosition: number, stop: AbortSignal): Promise<void> {
  const { parts, options, lane } = run
  const reading = new AbortController()
  const signal = AbortSignal.any([stop, reading.signal])
  const feedOptions = { ...options, budget: run.budget, pool: run.pool, nowMs: parts.monotonicMs }
  const feed = openBlockFeed(parts.source, lane, chain.nextPosition, feedOptions, signal)
  const filling: Filling = {
    chain,
    account: openAccount(chain.nextPosition),
    segment: undefined,
    firstReadMs: 0,
    scheduledMs: undefined,
    filterBytes: 0,
    share: run.shares.open(),
    isToClose: false,
  }
  const openLane = {
    get pendingBytes() {
      return feed.pendingHeldBytes
    },
    get keptBytes() {
      return filling.isToClose ? 0 : filling.share.heldBytes
    },
    flush: () => feed.flush(),
    close() {
      filling.isToClose = true
      feed.wake()
    },
  }
  run.openLanes.add(openLane)
  try {
    await fill(run, feed, filling, () => {
      if (feed.readPosition >= endPosition) reading.abort()
    })
  } catch (error) {
    await filling.segment?.object.abort()
    throw error
  } finally {
    run.openLanes.delete(openLane)
    filling.share.hold(0)
    await feed.close()
  }
}

/** What was taken since the last commit: positions to account for, and the segment that is open. */
interface Filling {
  readonly chain: Chain
  readonly account: PositionAccount
  segment: { readonly key: string; readonly builder: SegmentBuilder; readonly object: ObjectWriter } | undefined
  /** When the first of what no commit covers was read, ms. */
  firstReadMs: number
  /** When the schedule closes the segment, ms; undefined while nothing was read. */
  scheduledMs: number | undefined
  /** Filters that wait for their segment to close. */
  filterBytes: number
  /** What is held until the segment closes: its filters, and what its store takes only with more to it. */
  readonly share: HeldShare
  /** The segment is to close early, for what it holds is wanted. */
  isToClose: boolean
}

/** Takes blocks into segments and commits them until the feed ends; what was taken last is committed too. */
async function fill(run: LaneRun, feed: BlockFeed, filling: Filling, onRead: () => void): Promise<void> {
  const { options, parts } = run
  const { account } = filling
  for (;;) {
    onRead()
    if (filling.isToClose && filling.segment) await commit(run, filling, 'memory')
    const firstReadMs = account.isOpen ? filling.firstReadMs : feed.pendingSinceMs
    filling.scheduledMs =
      firstReadMs === undefined ? undefined : (filling.scheduledMs ?? scheduledFrom(options.rotate, nowOf(parts)))
    const { scheduledMs = Infinity } = filling
    const due =
      firstReadMs === undefined
        ? undefined
        : rotationByTime({ firstReadMs, lastReadMs: feed.lastReadMs, scheduledMs }, options.rotate)
    const isDue = due !== undefined && due.deadlineMs <= parts.monotonicMs()
    if (isDue) feed.flush()
    if (isDue && feed.drained) {
      await commit(run, filling, due.cause)
      continue
    }
    const fed = await nextOrExpired(run, feed, filling, due?.deadlineMs ?? Infinity)
    if (fed.kind === 'expired') return
    if (fed.kind === 'waiting') continue
    if (fed.kind === 'ended') return commit(run, filling, 'stop')
    if (!account.isOpen) filling.firstReadMs = firstReadMs ?? feed.lastReadMs
    if (fed.kind === 'unencodable') {
      await bury(run, account, fed.unencodable)
      continue
    }
    if (fed.kind === 'passed') {
      account.addPassed(fed.passedTo)
      continue
    }
    if (filling.segment?.builder.suits(fed.block) === false) await commit(run, filling, 'schema')
    try {
      await append(run, filling, fed.block)
    } finally {
      run.budget.release(fed.heldBytes)
    }
    const cause = rotationByContent(filling.segment!.builder, options.rotate) ?? rotationByMemory(filling)
    if (cause) await commit(run, filling, cause)
  }
}

/** The next of the feed. Where the source no longer has what follows, that is committed as a gap, and the feed is at its end. */
async function nextOrExpired(
  run: LaneRun,
  feed: BlockFeed,
  filling: Filling,
  deadlineMs: number,
): Promise<Fed | { readonly kind: 'expired' }> {
  try {
    return await feed.next(deadlineMs)
  } catch (error) {
    if (!isMillpondError(error, 'POSITION_GONE')) throw error
    await commit(run, filling, 'stop')
    await commitExpired(run, filling.chain, error)
    return { kind: 'expired' }
  }
}

/** Open segments may crowd the budget when lanes are many; then those that hold more than others close early. */
const rotationByMemory = ({ share }: Filling): 'memory' | undefined => (share.isTooLarge ? 'memory' : undefined)

async function append(run: LaneRun, filling: Filling, block: EncodedBlock): Promise<void> {
  const { account, chain } = filling
  if (block.firstPosition < account.nextPosition) {
    const message = `${laneName(run.lane)} gave position ${block.firstPosition} where ${account.nextPosition} or more was due`
    throw new MillpondError('POSITION_INVALID', message)
  }
  if (filling.segment === undefined) {
    const { format, codec } = block
    const extension = segmentFormat(format).extension(codec, run.options.formatOptions)
    const key = segmentKey({ folder: chain.folder, firstPosition: account.nextPosition, writer: run.writer, extension })
    const builder = createSegmentBuilder({
      format,
      codec,
      sync: run.parts.randomBytes(16),
      formatOptions: run.options.formatOptions,
    })
    filling.segment = { key, builder, object: await run.parts.store.openWriter(key) }
    if (builder.header.byteLength > 0) await filling.segment.object.write(builder.header)
  }
  for (const chunk of filling.segment.builder.append(block)) await filling.segment.object.write(chunk.bytes, chunk.crc32c)
  account.addBlock(block)
  filling.filterBytes += block.filters.reduce((sum, filter) => sum + filter.bits.byteLength, 0)
  filling.share.hold(filling.filterBytes + filling.segment.object.heldBytes)
}

/** Segment, then commit, then acknowledgement: in this order, or not at all. */
async function commit(run: LaneRun, filling: Filling, cause: RotationCause): Promise<void> {
  const { account, segment, chain } = filling
  if (!account.isOpen) return
  // By time or at the end nothing is on its way any more, so that what lies behind the last block is covered too.
  const isDrained = cause === 'stop' || cause === 'age' || cause === 'idle' || cause === 'schedule'
  const nextPosition = isDrained ? account.endPosition : account.nextPosition
  const segments: SegmentEntry[] = []
  let lookupBytes: Uint8Array = NO_BYTES
  if (segment) {
    for (const chunk of segment.builder.end()) await segment.object.write(chunk.bytes, chunk.crc32c)
    const finished = segment.builder.finish(segment.key, {})
    if ((await segment.object.finish()) === 'exists') {
      throw new MillpondError('SEGMENT_TAKEN', `${segment.key} is there already; a writer's id must be new with every run`)
    }
    segments.push(finished.entry)
    lookupBytes = finished.lookupBytes
  }
  await appendToChain(run, chain, { nextPosition, segments, ...account.close(nextPosition), lookupBytes }, cause)
  filling.segment = undefined
  filling.isToClose = false
  filling.firstReadMs = run.parts.monotonicMs()
  filling.scheduledMs = undefined
  filling.filterBytes = 0
  filling.share.hold(0)
}
