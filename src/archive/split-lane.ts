import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import { closeLargest } from '../batch/close-largest.ts'
import type { HeldShare } from '../batch/held-shares.ts'
import { openAccount, type PositionAccount } from '../commit/account.ts'
import type { Chain } from '../commit/chain.ts'
import { topicNameOf } from '../commit/commit-names.ts'
import type { EncodedBlock } from '../encode/block.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { segmentFormat } from '../encode/formats.ts'
import { type RotationCause, rotationByTime, rowsToRotation, scheduledFrom } from '../encode/rotation.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { LaneLayout, Layout } from '../layout/layout.ts'
import type { Spill } from '../store/spill.ts'
import { createLimiter } from '../store/limiter.ts'
import { type BatchReader, openBatchReader, type Read } from './batch-reader.ts'
import { appendToChain, bury, commitExpired, type LaneRun, nowOf } from './lane-run.ts'
import { type OpenObject, openObject } from './open-object.ts'
import { createRouter, type Group, type Router } from './router.ts'
import { type ClosedObject, readLeft } from './takeover.ts'

/** Objects that are made durable side by side for one commit. */
const FINISHED_AT_ONCE = 32
/** Bytes of one lane that may be on their way through compression before reading waits. */
const MAX_COMPRESSING_BYTES = 8 * 1024 * 1024
/** Shares of the memory budget: what blocks that fill may have before the largest close early, and compressed ones before they go to disk. */
const PENDING_SHARE = 1 / 4
const COMPRESSED_SHARE = 1 / 4
/** And filters, which only a commit gives back. */
const LASTING_SHARE = 1 / 4
const RECLAIMED_SHARE = 1 / 8
const DEFAULT_MAX_OPEN = 5_000
/** Objects of one commit: more would make it too large to read. */
const MAX_COMMITTED = 50_000

/** A lane whose messages go to several objects, between two commits. */
interface Filling {
  readonly run: LaneRun
  readonly chain: Chain
  readonly names: LaneLayout
  readonly router: Router
  readonly account: PositionAccount
  readonly share: HeldShare
  /** Those that take messages, by path and schema. */
  readonly open: Map<string, OpenObject>
  /** Those that are full. */
  full: OpenObject[]
  /** Objects that were left under their names and still wait for messages that they hold. */
  readonly owing: Set<OpenObject>
  heldBytes: number
  pendingBytes: number
  /** Of `heldBytes`, what only a commit gives back. */
  lastingBytes: number
  count: number
  /** Timestamp of the first message that no commit covers; NaN where there is none. */
  firstTimestamp: number
  /** The largest timestamp that was read. */
  lastTimestamp: number
  firstReadMs: number
  /** When the schedule asks for a commit, ms. */
  scheduledMs: number
  /** Until the first commit, objects may be there that a crash left, or another writer of the lane. */
  mayBeLeft: boolean
  /** The lane's file for blocks that memory has no room for; made when the first one is. */
  spill: Promise<Spill> | undefined
  isToClose: boolean
  isToFlush: boolean
  isToMove: boolean
}

/**
 * Archives a lane whose layout or format splits it, from its chain's end on, until the signal aborts or it is read up to `endPosition`. A commit names all
 * objects of its positions. Names are fixed by the layout, so that a writer who comes after a crash finds objects under them: it takes over what they hold,
 * commits no less than that, and goes on behind it in new ones.
 */
export async function archiveSplit(
  run: LaneRun,
  layout: Layout,
  chain: Chain,
  endPosition: number,
  stop: AbortSignal,
): Promise<void> {
  const { parts, options, lane } = run
  const reading = new AbortController()
  const signal = AbortSignal.any([stop, reading.signal])
  const reader = openBatchReader(parts.source, lane, chain.nextPosition, { budget: run.budget, nowMs: parts.monotonicMs }, signal)
  const names = layout.openLane({ topic: topicNameOf(chain.folder, lane), lane: lane.lane, folder: chain.folder })
  const filling: Filling = {
    run,
    chain,
    names,
    router: createRouter({
      layout,
      lane: names,
      format: segmentFormat(options.format),
      formatOptions: options.formatOptions,
      values: parts.values,
    }),
    account: openAccount(chain.nextPosition),
    share: run.shares.open(),
    open: new Map(),
    full: [],
    owing: new Set(),
    heldBytes: 0,
    pendingBytes: 0,
    lastingBytes: 0,
    count: 0,
    firstTimestamp: NaN,
    lastTimestamp: -Infinity,
    firstReadMs: 0,
    scheduledMs: Infinity,
    mayBeLeft: !layout.isUnique,
    spill: undefined,
    isToClose: false,
    isToFlush: false,
    isToMove: false,
  }
  const openLane = {
    get pendingBytes() {
      return filling.isToFlush ? 0 : filling.pendingBytes
    },
    get keptBytes() {
      return filling.isToClose || filling.isToMove ? 0 : Math.max(0, filling.heldBytes - filling.pendingBytes)
    },
    flush() {
      filling.isToFlush = true
      reader.wake()
    },
    close() {
      // What can wait on disk closes nothing.
      if (parts.openSpill !== undefined && filling.lastingBytes < run.budget.limitBytes * LASTING_SHARE) filling.isToMove = true
      else filling.isToClose = true
      reader.wake()
    },
  }
  run.openLanes.add(openLane)
  try {
    await fill(filling, reader, stop, () => {
      if (reader.readPosition >= endPosition) reading.abort()
    })
  } finally {
    run.openLanes.delete(openLane)
    await Promise.all([...filling.open.values(), ...filling.full].map((object) => object.abort()))
    filling.share.hold(0)
    await reader.close()
    await (await filling.spill)?.[Symbol.asyncDispose]()
  }
}

/** Whether an object that was left under its name still waits for messages that it holds: no commit may end before them. */
const isOwing = ({ owing }: Filling): boolean => owing.size > 0

/** Age and schedule count from now. */
function beginTimes(filling: Filling): void {
  const now = nowOf(filling.run.parts)
  filling.firstReadMs = now.monotonicMs
  filling.scheduledMs = scheduledFrom(filling.run.options.rotate, now)
}

async function fill(filling: Filling, reader: BatchReader, stop: AbortSignal, onRead: () => void): Promise<void> {
  const { account, run } = filling
  const { parts, options } = run
  for (;;) {
    onRead()
    await makeRoom(filling)
    if (filling.isToClose && !isOwing(filling)) await commit(filling, 'memory')
    const { firstReadMs, scheduledMs } = filling
    const times = { firstReadMs, lastReadMs: reader.lastReadMs, scheduledMs }
    const due = account.isOpen ? rotationByTime(times, options.rotate) : undefined
    if (due !== undefined && due.deadlineMs <= parts.monotonicMs() && !isOwing(filling)) {
      await commit(filling, due.cause)
      continue
    }
    const read = await nextOrExpired(filling, reader, due?.deadlineMs ?? Infinity)
    if (read.kind === 'waiting') continue
    if (read.kind === 'expired') return
    if (read.kind === 'ended') return end(filling, stop)
    if (!account.isOpen) beginTimes(filling)
    if (read.kind === 'passed') {
      account.addPassed(read.passedTo)
      continue
    }
    try {
      await takeBatch(filling, read.batch, stop)
    } finally {
      run.budget.release(read.heldBytes)
    }
  }
}

/** The end of what there is to read: all of it is committed, unless an object that was left says that there was more. */
async function end(filling: Filling, stop: AbortSignal): Promise<void> {
  if (!isOwing(filling)) return commit(filling, 'stop')
  // Whoever goes on with the lane reads it again.
  if (stop.aborted) return
  const [owing] = filling.owing
  throw new MillpondError(
    'NAME_TAKEN',
    `${owing!.place.key} is in the way: it holds ${owing!.roomCount} messages more than the source. No commit names it; move it elsewhere, and archiving goes on`,
    { details: { key: owing!.place.key } },
  )
}

async function nextOrExpired(
  filling: Filling,
  reader: BatchReader,
  deadlineMs: number,
): Promise<Read | { readonly kind: 'expired' }> {
  try {
    return await reader.next(isOwing(filling) ? Infinity : deadlineMs)
  } catch (error) {
    if (!isMillpondError(error, 'POSITION_GONE') || isOwing(filling)) throw error
    await commit(filling, 'stop')
    await commitExpired(filling.run, filling.chain, error)
    return { kind: 'expired' }
  }
}

/** Takes a batch row by row as far as a commit is due, so that objects hold exactly what their settings say. */
async function takeBatch(filling: Filling, batch: MessageBatch, stop: AbortSignal): Promise<void> {
  const { run } = filling
  const { rotate } = run.options
  for (let from = 0; from < batch.count;) {
    const bounds = isOwing(filling)
      ? { count: batch.count - from, cause: undefined }
      : rowsToRotation(batch, from, { count: filling.count, firstTimestamp: filling.firstTimestamp, rules: rotate })
    // What must be read on for may reach any row: then few rows at a time are taken.
    const count = isOwing(filling) ? Math.min(bounds.count, owedRows(filling)) : bounds.count
    if (count > 0) await takeRows(filling, sliceBatch(batch, from, from + count), stop)
    from += count
    const cause = bounds.cause ?? (filling.open.size + filling.full.length >= MAX_COMMITTED ? 'objects' : undefined)
    if (cause !== undefined && !isOwing(filling)) await commit(filling, cause)
  }
}

/** How many rows may be taken before an object that was left could be full. */
function owedRows({ owing }: Filling): number {
  let rows = Infinity
  for (const { roomCount } of owing) rows = Math.min(rows, roomCount)
  return rows
}

async function takeRows(filling: Filling, batch: MessageBatch, stop: AbortSignal): Promise<void> {
  const { run, account, router } = filling
  const { groups, unencodable, encodableCount } = await router.route(batch, run.parts.nowMs(), stop)
  if (unencodable !== undefined) await bury(run, account, unencodable)
  if (encodableCount > 0) {
    account.addBlock({ count: encodableCount, ...endsOf(groups) })
    if (Number.isNaN(filling.firstTimestamp)) filling.firstTimestamp = batch.timestamps[0]!
    filling.count += encodableCount
  }
  // What the layout leaves out is passed over.
  account.addPassed(batch.positions[batch.count - 1]! + 1)
  for (const group of groups) await place(filling, group)
  for (const timestamp of batch.timestamps) if (timestamp > filling.lastTimestamp) filling.lastTimestamp = timestamp
  closeOldest(filling)
  await makeRoom(filling)
}

function endsOf(groups: readonly Group[]): { firstPosition: number; lastPosition: number } {
  let firstPosition = Infinity
  let lastPosition = -Infinity
  for (const { batch } of groups) {
    firstPosition = Math.min(firstPosition, batch.positions[0]!)
    lastPosition = Math.max(lastPosition, batch.positions[batch.count - 1]!)
  }
  return { firstPosition, lastPosition }
}

/** Puts a group's messages into the object of their path, and into the next where that is full. */
async function place(filling: Filling, group: Group): Promise<void> {
  const { options } = filling.run
  const id = group.kind === undefined ? group.path.id : `${group.path.id}\n${group.kind.id}`
  for (let from = 0; from < group.batch.count;) {
    const object = filling.open.get(id) ?? (await openNext(filling, group, from))
    // Those that got nothing for longest are the first.
    filling.open.delete(id)
    filling.open.set(id, object)
    const to = Math.min(group.batch.count, from + object.roomCount)
    object.add(from === 0 && to === group.batch.count ? group.batch : sliceBatch(group.batch, from, to))
    from = to
    if (object.roomCount > 0 && object.bytes < options.rotate.maxBytes) {
      await object.settle(MAX_COMPRESSING_BYTES)
      continue
    }
    closeObject(filling, id, object)
  }
}

/** Takes no more messages into the object, and makes it durable while others fill. */
function closeObject(filling: Filling, id: string, object: OpenObject): void {
  filling.open.delete(id)
  filling.owing.delete(object)
  filling.full.push(object)
  // Its failure is seen when it is committed.
  object.finish().catch(() => undefined)
}

/** Closes objects that got nothing for long: those that are too many, and those whose time of grace is over. */
function closeOldest(filling: Filling): void {
  const { maxOpenObjects = DEFAULT_MAX_OPEN, graceMs = Infinity } = filling.run.options
  for (const [id, object] of filling.open) {
    const isOver = object.lastTimestamp < filling.lastTimestamp - graceMs
    if (filling.open.size <= maxOpenObjects && !isOver) return
    if (!filling.owing.has(object)) closeObject(filling, id, object)
  }
}

async function openNext(filling: Filling, { path, kind, batch }: Group, row: number): Promise<OpenObject> {
  const { run, names } = filling
  const { options, parts } = run
  const { format } = options
  const extension = segmentFormat(format).extension(options.codec, options.formatOptions)
  const start = {
    position: batch.positions[row]!,
    timestampMs: batch.timestamps[row]!,
    key: bytesAt(batch, batch.keyStart[row]!, batch.keyEnd[row]!),
    id: textAt(batch, batch.idStart[row]!, batch.idEnd[row]!),
    nowMs: parts.nowMs(),
    writer: run.writer,
  }
  const key = names.objectKey(path, start, extension)
  const keyFrom = ({ firstPosition, minTimestamp }: EncodedBlock) =>
    names.objectKey(path, { ...start, position: firstPosition, timestampMs: minTimestamp }, extension)
  const left = filling.mayBeLeft ? await readLeft(parts.store, key, options) : undefined
  const object = openObject(run, {
    key,
    keyFrom,
    path,
    kind,
    left,
    onHeld(change) {
      filling.heldBytes += change
      filling.share.hold(Math.max(0, filling.heldBytes))
    },
    onPending(change) {
      filling.pendingBytes += change
    },
    onLasting(bytes) {
      filling.lastingBytes += bytes
      filling.heldBytes += bytes
    },
  })
  if (left !== undefined) filling.owing.add(object)
  return object
}

/** Closes the largest of the blocks that fill, and moves the largest of those that wait to disk, where they have too much of the memory or others wait for it. */
async function makeRoom(filling: Filling): Promise<void> {
  const { run, isToFlush, isToMove } = filling
  const { limitBytes } = run.budget
  const reclaimBytes = limitBytes * RECLAIMED_SHARE
  filling.isToFlush = false
  filling.isToMove = false
  if (isToFlush || filling.pendingBytes > limitBytes * PENDING_SHARE) {
    closeLargest(filling.open.values(), {
      isWorthFrom: 0,
      reclaimBytes,
      bytesOf: (object) => object.pendingBytes,
      close: (object) => object.flush(),
    })
  }
  const waitingBytes = filling.heldBytes - filling.pendingBytes - filling.lastingBytes
  if (run.parts.openSpill === undefined || !(isToMove || waitingBytes > limitBytes * COMPRESSED_SHARE)) return
  filling.spill ??= run.parts.openSpill()
  const disk = await filling.spill
  closeLargest(filling.open.values(), {
    isWorthFrom: 0,
    reclaimBytes,
    bytesOf: (object) => object.waitingBytes,
    close: (object) => object.moveTo(disk),
  })
}

/** Objects, then the commit that names them all, then the acknowledgement. */
async function commit(filling: Filling, cause: RotationCause): Promise<void> {
  const { account, chain, run } = filling
  if (!account.isOpen) return
  const closed = await finishAll([...filling.full, ...filling.open.values()])
  closed.sort((a, b) => a.entry.firstPosition - b.entry.firstPosition)
  const nextPosition = account.endPosition
  await appendToChain(run, chain, { nextPosition, ...joined(closed), ...account.close(nextPosition) }, cause)
  filling.open.clear()
  filling.full = []
  filling.count = 0
  filling.firstTimestamp = NaN
  beginTimes(filling)
  filling.mayBeLeft = false
  filling.isToClose = false
  filling.heldBytes = 0
  filling.pendingBytes = 0
  filling.lastingBytes = 0
  filling.share.hold(0)
}

async function finishAll(objects: readonly OpenObject[]): Promise<ClosedObject[]> {
  const turns = createLimiter(FINISHED_AT_ONCE)
  const finishing = objects.map(async (object) => {
    const endTurn = await turns.take()
    try {
      return await object.finish()
    } finally {
      endTurn()
    }
  })
  // Nothing may be on its way any more when the objects are given up.
  await Promise.allSettled(finishing)
  return (await Promise.all(finishing)).flat()
}

/** The segments, and their look-up bytes one behind the other. */
function joined(closed: readonly ClosedObject[]): { segments: SegmentEntry[]; lookupBytes: Uint8Array } {
  let start = 0
  const segments = closed.map(({ entry, lookupBytes }) => {
    const offset = start
    start += lookupBytes.byteLength
    return { ...entry, lookups: entry.lookups.map((lookup) => ({ ...lookup, offset: lookup.offset + offset })) }
  })
  return { segments, lookupBytes: Buffer.concat(closed.map(({ lookupBytes }) => lookupBytes)) }
}

function bytesAt({ bytes }: MessageBatch, start: number, end: number): Uint8Array | undefined {
  return start < 0 ? undefined : bytes.subarray(start, end)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

function textAt(batch: MessageBatch, start: number, end: number): string | undefined {
  return start < 0 ? undefined : decoder.decode(batch.bytes.subarray(start, end))
}
