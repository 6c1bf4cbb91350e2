import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import type { Chain } from '../commit/chain.ts'
import { rotationByTime, rowsToRotation } from '../encode/rotation.ts'
import { isMillpondError } from '../errors.ts'
import type { Layout } from '../layout/layout.ts'
import { type BatchReader, openBatchReader, type Read } from './batch-reader.ts'
import { clockNoteKey } from '../commit/commit-names.ts'
import { type CommitClock, openCommitClock } from './commit-clock.ts'
import { bury, commitExpired, endNow, type LaneRun } from './lane-run.ts'
import { abort, roomCount } from './open-object.ts'
import type { Routed } from './router.ts'
import { commit } from './split-commit.ts'
import { beginTimes, type Filling, isOwing, openFilling } from './split-filling.ts'
import { closeOldest, groupsApart, placeAll } from './split-place.ts'
import { makeRoom } from './split-room.ts'
import { placeShared } from './split-shared.ts'
import { nameTaken } from './takeover.ts'

/** What filters, which only a commit gives back, may have of the memory budget before one is due. */
const LASTING_SHARE = 1 / 4
/** Objects of one commit: more would make it too large to read. */
const MAX_COMMITTED = 50_000

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
  const { parts, lane } = run
  const reading = new AbortController()
  const signal = AbortSignal.any([stop, reading.signal])
  const clock = await openCommitClock(run, layout, chain)
  const lastPosition = await endOf(run, chain, clock, endPosition)
  const reader = openBatchReader(parts.source, lane, chain.nextPosition, { budget: run.budget, nowMs: parts.monotonicMs }, signal)
  const filling = openFilling(run, layout, chain, clock)
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
      if (reader.readPosition >= lastPosition) reading.abort()
    })
  } finally {
    run.openLanes.delete(openLane)
    await Promise.all([...filling.open.values(), ...filling.full].map(abort))
    filling.share.hold(0)
    await reader.close()
    await (await filling.spill)?.[Symbol.asyncDispose]()
  }
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
      await pass(filling, read.passedTo)
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
  const { clock, chain } = filling
  const [owing] = filling.owing
  if (owing === undefined) throw noteTaken(chain, clock.endPosition)
  throw nameTaken(owing.place.key, `it holds ${roomCount(owing)} messages more than the source`)
}

const noteTaken = ({ folder, nextPosition }: Chain, endPosition: number) =>
  nameTaken(
    clockNoteKey(folder, nextPosition),
    `it is for messages up to position ${endPosition}, which the source does not have`,
  )

/** A run that ends by itself reads as far as a note says, where the source has so much by now. */
async function endOf(run: LaneRun, chain: Chain, clock: CommitClock, endPosition: number): Promise<number> {
  if (clock.endPosition === Infinity || clock.endPosition <= endPosition) return endPosition
  const end = await endNow(run, chain.nextPosition)
  if (end < clock.endPosition) throw noteTaken(chain, clock.endPosition)
  return end
}

async function nextOrExpired(
  filling: Filling,
  reader: BatchReader,
  deadlineMs: number,
): Promise<Read | { readonly kind: 'expired' }> {
  try {
    return await reader.next(isOwing(filling) ? Infinity : deadlineMs)
  } catch (error) {
    if (!isMillpondError(error, 'POSITION_GONE') || filling.owing.size > 0) throw error
    await commit(filling, 'stop')
    await commitExpired(filling.run, filling.chain, error)
    return { kind: 'expired' }
  }
}

/** Takes a batch row by row as far as a commit is due, so that objects hold exactly what their settings say. */
async function takeBatch(filling: Filling, batch: MessageBatch, stop: AbortSignal): Promise<void> {
  const { clock, run } = filling
  const { rotate } = run.options
  for (let from = 0; from < batch.count;) {
    if (clock.isOver() && !isOwing(filling)) await commit(filling, 'schedule')
    const bounds = isOwing(filling)
      ? { count: owedRows(filling, batch, from), cause: undefined }
      : rowsToRotation(batch, from, { count: filling.count, firstTimestamp: filling.firstTimestamp, rules: rotate })
    const to = from + bounds.count
    if (to > from) await takeRows(filling, sliceBatch(batch, from, to), stop)
    from = to
    // Dead letters are in no object, and do not count.
    const isEarly = bounds.cause === 'count' && filling.count < rotate.maxCount
    const isMany = filling.open.size + filling.full.length >= MAX_COMMITTED
    const cause = (isEarly ? undefined : bounds.cause) ?? filling.due ?? (isMany ? 'objects' : undefined)
    if (cause !== undefined && !isOwing(filling)) await commit(filling, cause)
    await reach(filling, from < batch.count ? batch.positions[from]! : batch.positions[from - 1]! + 1)
  }
}

/** How many rows may be taken before an object that was left could be full, or the commit has to end: what must be read on for may reach any row. */
function owedRows({ owing, clock }: Filling, { positions, count }: MessageBatch, from: number): number {
  let rows = count - from
  for (const object of owing) rows = Math.min(rows, roomCount(object))
  for (let row = 0; row < rows; row++) if (positions[from + row]! >= clock.endPosition) return row
  return rows
}

/** Commits where a note says that the commit ends here: `next` is the position of what is read next. */
async function reach(filling: Filling, next: number): Promise<void> {
  const { account, clock, owing } = filling
  const { endPosition } = clock
  if (next < endPosition) return
  const [left] = owing
  if (left !== undefined)
    throw nameTaken(left.place.key, `it holds messages from position ${endPosition} on, where its commit ends`)
  account.addPassed(endPosition)
  await commit(filling, 'stop')
}

/** Takes word that positions below this one hold no message. */
async function pass(filling: Filling, passedTo: number): Promise<void> {
  await reach(filling, passedTo)
  filling.account.addPassed(passedTo)
}

async function takeRows(filling: Filling, batch: MessageBatch, stop: AbortSignal): Promise<void> {
  const { run, account, router, sharing } = filling
  await run.parts.keepSchemas?.(run.lane.topic, batch, stop)
  const routed = await router.route(batch, filling.clock.nowMs(), stop)
  const { unencodable } = routed
  const encodableCount = routed.rows.length
  if (unencodable !== undefined) await bury(run, account, unencodable)
  if (encodableCount > 0) {
    account.addBlock({ count: encodableCount, ...endsOf(routed) })
    if (Number.isNaN(filling.firstTimestamp)) filling.firstTimestamp = batch.timestamps[0]!
    filling.count += encodableCount
  }
  // What the layout leaves out is passed over.
  account.addPassed(batch.positions[batch.count - 1]! + 1)
  if (sharing === undefined) await placeAll(filling, routed)
  else await placeShared(filling, sharing, groupsApart(routed))
  const nowMs = run.parts.nowMs()
  for (const timestamp of batch.timestamps)
    if (timestamp > filling.lastTimestamp && timestamp <= nowMs) filling.lastTimestamp = timestamp
  closeOldest(filling)
  await makeRoom(filling)
}

function endsOf({ batch, rows, groups }: Routed): { firstPosition: number; lastPosition: number } {
  let first = Infinity
  let last = -Infinity
  for (const { from, to } of groups) {
    first = Math.min(first, rows[from]!)
    last = Math.max(last, rows[to - 1]!)
  }
  return { firstPosition: batch.positions[first]!, lastPosition: batch.positions[last]! }
}
