import { addHeader } from './batch/add-header.ts'
import { createHeldShares, type HeldShare, type HeldShares } from './batch/held-shares.ts'
import { closeLargest } from './batch/close-largest.ts'
import { createMemoryBudget, type MemoryBudget } from './batch/memory-budget.ts'
import { memoryShares } from './batch/memory-shares.ts'
import { openAccount, type PositionAccount } from './commit/account.ts'
import { type Chain, openChain } from './commit/chain.ts'
import type { CommitDraft, Gap, StoredCommit } from './commit/commit.ts'
import type { SegmentEntry } from './encode/segment.ts'
import type { EncodeOptions } from './encode/avro-block.ts'
import type { EncodedBlock, Format } from './encode/block.ts'
import { type RotationCause, type RotationRules, rotationByContent, rotationByTime } from './encode/rotation.ts'
import { type BufferPool, createBufferPool } from './encode/block-encoder.ts'
import { segmentFormat } from './encode/formats.ts'
import { createSegmentBuilder, type SegmentBuilder } from './encode/segment-builder.ts'
import { isMillpondError, MillpondError } from './errors.ts'
import { segmentKey } from './layout/millpond.ts'
import { type Lane, type LaneId, laneName } from './source/lane.ts'
import { type BlockFeed, openBlockFeed } from './source/block-feed.ts'
import type { Fed, Unencodable } from './source/block-queue.ts'
import type { Source } from './source/source.ts'
import { sourceTruncated } from './source/truncated.ts'
import type { Sink } from './sink/sink.ts'
import type { ObjectWriter, Store } from './store/store.ts'

export interface ArchiveOptions extends EncodeOptions {
  readonly format: Format
  /** Uncompressed bytes of one data block. */
  readonly blockBytes: number
  readonly rotate: RotationRules
  /** What the process holds of messages on their way, at the most, bytes. */
  readonly memoryBytes: number
  /** Names this run of this process, never used before: data objects end in it. */
  readonly writer: string
  /** Ends when every lane has reached the end that its source had when the lane was opened. */
  readonly untilCaughtUp: boolean
}

/** What happened, for logs, metrics and readiness; the archive loop itself logs nothing. */
export type ArchiveEvent =
  | { readonly kind: 'lane-opened'; readonly lane: LaneId; readonly position: number }
  | { readonly kind: 'lane-closed'; readonly lane: LaneId; readonly position: number }
  | { readonly kind: 'lane-retrying'; readonly lane: LaneId; readonly error: MillpondError; readonly waitMs: number }
  /** Taken away before its last messages could be committed; whoever has it now archives them. */
  | { readonly kind: 'lane-given-up'; readonly lane: LaneId; readonly error: MillpondError }
  | { readonly kind: 'lane-stopped'; readonly lane: LaneId; readonly error: unknown }
  | { readonly kind: 'committed'; readonly lane: LaneId; readonly commit: StoredCommit; readonly cause: RotationCause }
  | { readonly kind: 'race-lost'; readonly lane: LaneId; readonly position: number }
  | { readonly kind: 'expired'; readonly lane: LaneId; readonly gap: Gap }
  | { readonly kind: 'dead-lettered'; readonly lane: LaneId; readonly count: number }
  | { readonly kind: 'acknowledge-failed'; readonly lane: LaneId; readonly error: unknown }

export interface ArchiveParts {
  readonly source: Source
  readonly store: Store
  readonly deadLetters: Sink
  readonly nowMs: () => number
  /** Milliseconds since any moment, never going back: segments age by it, whatever is done to the wall clock. */
  readonly monotonicMs: () => number
  /** Uniform in [0, 1); spreads what retries. */
  readonly random: () => number
  readonly randomBytes: (count: number) => Uint8Array
  readonly onEvent?: (event: ArchiveEvent) => void
}

/** A source that says nothing for this long has given all lanes that it had; only asked where the run ends by itself. */
const SETTLE_MS = 500
/** The same where the source itself says that it has given its lanes. */
const JOINED_SETTLE_MS = 20
const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 15_000
/** A lane that ran this long has left its last trouble behind. */
const CALM_MS = 60_000
const NO_BYTES = new Uint8Array(0)

/**
 * The way in: archives every lane that the source assigns, side by side, until `signal` aborts. Then what was read is committed.
 * A lane that fails for a reason that passes starts again from its chain; one that fails for good stops alone, its error is told
 * and thrown when the others have ended.
 */
export async function runArchive(parts: ArchiveParts, options: ArchiveOptions, signal: AbortSignal): Promise<void> {
  const openLanes = new Set<OpenLane>()
  let isReclaiming = false
  // Asked for again and again while lanes wait, and not for nothing where they are thousands: once a turn of the event loop suffices.
  const reclaimSoon = () => {
    if (isReclaiming) return
    isReclaiming = true
    setImmediate(() => {
      isReclaiming = false
      reclaim(openLanes, budget)
    })
  }
  const { spareBuffers, messageBytes } = memoryShares(options.memoryBytes, options.blockBytes)
  const pool = createBufferPool(options.blockBytes, spareBuffers)
  const budget = createMemoryBudget(() => messageBytes(openLanes.size), reclaimSoon)
  const shares = createHeldShares(budget)
  const ending = new AbortController()
  const assigning = AbortSignal.any([signal, ending.signal])
  const running = new Map<string, Promise<void>>()
  const failures: unknown[] = []
  let open = 0
  let runs = 0
  const settleMs = parts.source.joined === undefined ? SETTLE_MS : JOINED_SETTLE_MS
  let hasJoined = false
  let settled: NodeJS.Timeout | undefined
  const settle = () => {
    clearTimeout(settled)
    if (options.untilCaughtUp && hasJoined && open === 0) settled = setTimeout(() => ending.abort(), settleMs)
  }
  const join = async () => {
    await parts.source.joined?.(assigning)
    hasJoined = true
    settle()
  }
  try {
    void join()
    for await (const lane of parts.source.lanes(assigning)) {
      clearTimeout(settled)
      const name = JSON.stringify([lane.topicId, lane.lane])
      const before = running.get(name)
      runs += 1
      open += 1
      const writer = `${options.writer}-${runs.toString(36)}`
      const run: LaneRun = { parts, options, budget, pool, openLanes, shares, lane, writer }
      const archiving = async () => {
        // A lane that comes back is taken up when its last run has ended.
        await before
        await keepArchiving(run, signal, failures)
        open -= 1
        settle()
      }
      running.set(name, archiving())
    }
  } finally {
    clearTimeout(settled)
    await Promise.all(running.values())
  }
  if (failures.length > 0) throw failures[0]
}

/** Shares of the budget that blocks which fill, and segments, may have before the largest of them close early; then so much is let go of. */
const PENDING_SHARE = 1 / 4
const SEGMENTS_SHARE = 1 / 2
const RECLAIMED_SHARE = 1 / 8

/**
 * Makes room in the budget: with many slow lanes all of it could wait for blocks or segments to be full, and no lane would be read any more.
 * What is on its way out is waited for first, so that blocks and segments do not become smaller than they have to be.
 */
function reclaim(lanes: ReadonlySet<OpenLane>, { limitBytes, heldBytes }: MemoryBudget): void {
  const reclaimBytes = limitBytes * RECLAIMED_SHARE
  let lastingBytes = 0
  for (const { feed, filling } of lanes) lastingBytes += feed.pendingHeldBytes + (filling.isToClose ? 0 : filling.share.heldBytes)
  if (heldBytes - lastingBytes >= reclaimBytes) return
  closeLargest(lanes, {
    isWorthFrom: limitBytes * PENDING_SHARE,
    reclaimBytes,
    bytesOf: ({ feed }) => feed.pendingHeldBytes,
    close: ({ feed }) => feed.flush(),
  })
  closeLargest(lanes, {
    isWorthFrom: limitBytes * SEGMENTS_SHARE,
    reclaimBytes,
    bytesOf: ({ filling }) => (filling.isToClose ? 0 : filling.share.heldBytes),
    close({ feed, filling }) {
      filling.isToClose = true
      feed.wake()
    },
  })
}

/** A lane that is read. */
interface OpenLane {
  readonly feed: BlockFeed
  readonly filling: Filling
}

/** One lane in the hands of this process. */
interface LaneRun {
  readonly parts: ArchiveParts
  readonly options: ArchiveOptions
  readonly budget: MemoryBudget
  readonly pool: BufferPool
  readonly openLanes: Set<OpenLane>
  readonly shares: HeldShares
  readonly lane: Lane
  /** Unique to this run of this lane, so that no two data objects can meet under one key. */
  readonly writer: string
}

/** Archives a lane until it ends, again from its chain after what passes; tells and keeps what does not. */
async function keepArchiving(run: LaneRun, signal: AbortSignal, failures: unknown[]): Promise<void> {
  const { lane, parts } = run
  const stop = AbortSignal.any([signal, lane.revoked])
  let lastFailureMs = -Infinity
  let inARow = 0
  for (let attempt = 0; ; attempt++) {
    try {
      await archiveLane({ ...run, writer: attempt === 0 ? run.writer : `${run.writer}-${attempt}` }, stop)
      return
    } catch (error) {
      const passes = isMillpondError(error) && error.retryable
      if (passes && lane.revoked.aborted) {
        parts.onEvent?.({ kind: 'lane-given-up', lane, error })
        return
      }
      if (stop.aborted || !passes) {
        failures.push(error)
        parts.onEvent?.({ kind: 'lane-stopped', lane, error })
        return
      }
      inARow = parts.monotonicMs() - lastFailureMs > CALM_MS ? 0 : inARow + 1
      lastFailureMs = parts.monotonicMs()
      const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** inARow) * (0.5 + parts.random() / 2)
      parts.onEvent?.({ kind: 'lane-retrying', lane, error, waitMs })
      await waitOrStop(waitMs, stop)
    }
  }
}

/** One lane, from its chain's end on, until `stop` aborts or it has caught up. */
async function archiveLane(run: LaneRun, stop: AbortSignal): Promise<void> {
  const { parts, options, lane } = run
  const { store, source } = parts
  if (!(await hasBegun(run, stop))) return
  const chain = await openChain({ store, lane, startPosition: lane.startPosition, writer: run.writer, now: parts.nowMs })
  const endPosition = options.untilCaughtUp ? await endNow(run, chain.nextPosition) : Infinity
  parts.onEvent?.({ kind: 'lane-opened', lane, position: chain.nextPosition })
  if (chain.nextPosition > lane.startPosition) await acknowledge(run, chain.nextPosition)
  while (!stop.aborted && chain.nextPosition < endPosition) {
    const reading = new AbortController()
    const signal = AbortSignal.any([stop, reading.signal])
    const feedOptions = { ...options, budget: run.budget, pool: run.pool, nowMs: parts.monotonicMs }
    const feed = openBlockFeed(source, lane, chain.nextPosition, feedOptions, signal)
    const filling: Filling = {
      chain,
      account: openAccount(chain.nextPosition),
      segment: undefined,
      firstReadMs: 0,
      filterBytes: 0,
      share: run.shares.open(),
      isToClose: false,
    }
    const openLane = { feed, filling }
    run.openLanes.add(openLane)
    try {
      await fill(run, feed, filling, () => {
        if (feed.readPosition >= endPosition) reading.abort()
      })
    } catch (error) {
      await filling.segment?.object.abort()
      if (!isMillpondError(error, 'COMMIT_LOST_RACE')) throw error
      // What another writer committed is left out: reading starts again behind it.
      parts.onEvent?.({ kind: 'race-lost', lane, position: chain.nextPosition })
    } finally {
      run.openLanes.delete(openLane)
      filling.share.hold(0)
      await feed.close()
    }
  }
  parts.onEvent?.({ kind: 'lane-closed', lane, position: chain.nextPosition })
}

/**
 * Up to where a run that ends by itself reads. One that goes on need not ask: its source tells it.
 * @throws MillpondError `SOURCE_TRUNCATED` where the broker holds less than the archive.
 */
async function endNow({ parts: { source }, lane }: LaneRun, nextPosition: number): Promise<number> {
  const range = await source.range(lane)
  if (range === undefined) return nextPosition
  const { next, end = next } = range
  if (end < nextPosition) throw sourceTruncated(lane, nextPosition, end)
  return next
}

/**
 * Waits for the first position that the lane ever has; false where the run ends before. Until then nothing of it is opened or
 * written: where topics are many, most of their lanes are empty.
 */
async function hasBegun({ parts: { source }, options, lane }: LaneRun, stop: AbortSignal): Promise<boolean> {
  const range = await source.range(lane)
  if (range === undefined || range.next > 0) return true
  if (options.untilCaughtUp) return false
  for await (const _ of source.read(lane, lane.startPosition, stop)) return true
  return false
}

/** What was taken since the last commit: positions to account for, and the segment that is open. */
interface Filling {
  readonly chain: Chain
  readonly account: PositionAccount
  segment: { readonly key: string; readonly builder: SegmentBuilder; readonly object: ObjectWriter } | undefined
  /** When the first of what no commit covers was read, ms. */
  firstReadMs: number
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
    const due = firstReadMs === undefined ? undefined : rotationByTime(firstReadMs, feed.lastReadMs, options.rotate)
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
      await bury(run, filling, fed.unencodable)
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
    const firstPosition = filling.chain.nextPosition
    const oldest = Number(error.details['oldest'])
    if (!Number.isSafeInteger(oldest) || oldest <= firstPosition) throw error
    const gap: Gap = { firstPosition, nextPosition: oldest, missing: oldest - firstPosition, reason: 'expired' }
    const draft = { nextPosition: oldest, segments: [], gaps: [gap], deadLetters: [], lookupBytes: NO_BYTES }
    await appendToChain(run, filling.chain, draft, 'stop')
    run.parts.onEvent?.({ kind: 'expired', lane: run.lane, gap })
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
    const extension = segmentFormat(format).extension(codec)
    const key = segmentKey({ folder: chain.folder, firstPosition: account.nextPosition, writer: run.writer, extension })
    const builder = createSegmentBuilder({ format, codec, sync: run.parts.randomBytes(16) })
    filling.segment = { key, builder, object: await run.parts.store.openWriter(key) }
    if (builder.header.byteLength > 0) await filling.segment.object.write(builder.header)
  }
  for (const chunk of filling.segment.builder.append(block)) await filling.segment.object.write(chunk.bytes, chunk.crc32c)
  account.addBlock(block)
  filling.filterBytes += block.filters.reduce((sum, filter) => sum + filter.bits.byteLength, 0)
  filling.share.hold(filling.filterBytes + filling.segment.object.heldBytes)
}

/** Hands messages that no block can hold to the dead-letter sink; they are durable there before a commit counts them. */
async function bury(run: LaneRun, filling: Filling, { batch, reasons }: Unencodable): Promise<void> {
  const { lane, parts } = run
  const target = { topic: lane.topic, origin: { topic: lane.topic, lane: lane.lane } }
  const { failed } = await parts.deadLetters.write(
    target,
    addHeader(batch, 'millpond-dead-letter-reason', (row) => reasons[row]!),
    new AbortController().signal,
  )
  if (failed.length > 0) {
    throw new MillpondError(
      'DELIVERY_FAILED',
      `${parts.deadLetters.name} did not take position ${failed[0]!.position}: ${failed[0]!.reason}`,
    )
  }
  for (const [row, reason] of reasons.entries()) filling.account.addDeadLetter({ position: batch.positions[row]!, reason })
  parts.onEvent?.({ kind: 'dead-lettered', lane, count: batch.count })
}

/** Segment, then commit, then acknowledgement: in this order, or not at all. */
async function commit(run: LaneRun, filling: Filling, cause: RotationCause): Promise<void> {
  const { account, segment, chain } = filling
  if (!account.isOpen) return
  // By time or at the end nothing is on its way any more, so that what lies behind the last block is covered too.
  const isDrained = cause === 'stop' || cause === 'age' || cause === 'idle'
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
  filling.filterBytes = 0
  filling.share.hold(0)
}

async function appendToChain(run: LaneRun, chain: Chain, draft: CommitDraft, cause: RotationCause): Promise<void> {
  const { lane, parts } = run
  const result = await chain.append(draft)
  if (result.outcome === 'lost') throw new MillpondError('COMMIT_LOST_RACE', `${laneName(lane)}: another writer was first`)
  parts.onEvent?.({ kind: 'committed', lane, commit: result.commit, cause })
  await acknowledge(run, draft.nextPosition)
}

/** Tells the broker; a failure costs nothing but a wrong lag, for the chain says where to begin, and the next commit tells again. */
async function acknowledge(run: LaneRun, nextPosition: number): Promise<void> {
  try {
    await run.parts.source.acknowledge(run.lane, nextPosition)
  } catch (error) {
    run.parts.onEvent?.({ kind: 'acknowledge-failed', lane: run.lane, error })
  }
}

/** Resolves after the time, or at once when `stop` aborts. */
async function waitOrStop(milliseconds: number, stop: AbortSignal): Promise<void> {
  const waited = Promise.withResolvers<void>()
  const timer = setTimeout(waited.resolve, milliseconds)
  stop.addEventListener('abort', () => waited.resolve(), { once: true })
  await waited.promise
  clearTimeout(timer)
}
