import { addHeader } from '../batch/add-header.ts'
import type { HeldShares } from '../batch/held-shares.ts'
import type { MemoryBudget } from '../batch/memory-budget.ts'
import type { PositionAccount } from '../commit/account.ts'
import type { Chain } from '../commit/chain.ts'
import type { CommitDraft, Gap } from '../commit/commit.ts'
import type { BufferPool } from '../encode/block-encoder.ts'
import type { RotationCause } from '../encode/rotation.ts'
import { MillpondError } from '../errors.ts'
import type { Unencodable } from '../source/block-queue.ts'
import { type Lane, laneName } from '../source/lane.ts'
import { sourceTruncated } from '../source/truncated.ts'
import type { ArchiveOptions, ArchiveParts } from './options.ts'
import type { OpenLane } from './reclaim.ts'

const NO_BYTES = new Uint8Array(0)

/** One lane in the hands of this process. */
export interface LaneRun {
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

/**
 * Up to where a run that ends by itself reads. One that goes on need not ask: its source tells it.
 * @throws MillpondError `SOURCE_TRUNCATED` where the broker holds less than the archive.
 */
export async function endNow({ parts: { source }, lane }: LaneRun, nextPosition: number): Promise<number> {
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
export async function hasBegun({ parts: { source }, options, lane }: LaneRun, stop: AbortSignal): Promise<boolean> {
  const range = await source.range(lane)
  if (range === undefined || range.next > 0) return true
  if (options.untilCaughtUp) return false
  for await (const _ of source.read(lane, lane.startPosition, stop)) return true
  return false
}

/** Both clocks, ms. */
export const nowOf = (parts: ArchiveParts) => ({ nowMs: parts.nowMs(), monotonicMs: parts.monotonicMs() })

/** Hands messages that no block can hold to the dead-letter sink; they are durable there before a commit counts them. */
export async function bury(run: LaneRun, account: PositionAccount, { batch, reasons }: Unencodable): Promise<void> {
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
  for (const [row, reason] of reasons.entries()) account.addDeadLetter({ position: batch.positions[row]!, reason })
  parts.onEvent?.({ kind: 'dead-lettered', lane, count: batch.count })
}

/** Commits, then acknowledges. @throws MillpondError `COMMIT_LOST_RACE` where another writer was first. */
export async function appendToChain(run: LaneRun, chain: Chain, draft: CommitDraft, cause: RotationCause): Promise<void> {
  const { lane, parts } = run
  const result = await chain.append(draft)
  if (result.outcome === 'lost') throw new MillpondError('COMMIT_LOST_RACE', `${laneName(lane)}: another writer was first`)
  parts.onEvent?.({ kind: 'committed', lane, commit: result.commit, cause })
  await acknowledge(run, draft.nextPosition)
}

/** Tells the broker; a failure costs nothing but a wrong lag, for the chain says where to begin, and the next commit tells again. */
export async function acknowledge(run: LaneRun, nextPosition: number): Promise<void> {
  try {
    await run.parts.source.acknowledge(run.lane, nextPosition)
  } catch (error) {
    run.parts.onEvent?.({ kind: 'acknowledge-failed', lane: run.lane, error })
  }
}

/**
 * Where the source no longer has what follows the chain, that is committed as a gap: everything that was read before must be committed already.
 * @throws the error where it is none of that kind.
 */
export async function commitExpired(run: LaneRun, chain: Chain, error: MillpondError): Promise<void> {
  const firstPosition = chain.nextPosition
  const oldest = Number(error.details['oldest'])
  if (!Number.isSafeInteger(oldest) || oldest <= firstPosition) throw error
  const gap: Gap = { firstPosition, nextPosition: oldest, missing: oldest - firstPosition, reason: 'expired' }
  const draft = { nextPosition: oldest, segments: [], gaps: [gap], deadLetters: [], lookupBytes: NO_BYTES }
  await appendToChain(run, chain, draft, 'stop')
  run.parts.onEvent?.({ kind: 'expired', lane: run.lane, gap })
}
