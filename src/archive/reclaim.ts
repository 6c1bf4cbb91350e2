import { closeLargest } from '../batch/close-largest.ts'
import type { MemoryBudget } from '../batch/memory-budget.ts'

/** What a lane that is read holds of the budget, and how it is made to give it back. */
export interface OpenLane {
  /** Bytes of blocks that fill. */
  readonly pendingBytes: number
  /** Bytes that segments hold until they close; 0 where they are to close already. */
  readonly keptBytes: number
  /** Closes blocks that fill. */
  flush(): void
  /** Closes the segments early. */
  close(): void
}

/** Shares of the budget that blocks which fill, and segments, may have before the largest of them close early; then so much is let go of. */
const PENDING_SHARE = 1 / 4
const SEGMENTS_SHARE = 1 / 2
const RECLAIMED_SHARE = 1 / 8

/**
 * Makes room in the budget: with many slow lanes all of it could wait for blocks or segments to be full, and no lane would be read any more.
 * What is on its way out is waited for first, so that blocks and segments do not become smaller than they have to be.
 */
export function reclaim(lanes: ReadonlySet<OpenLane>, { limitBytes, heldBytes }: MemoryBudget): void {
  const reclaimBytes = limitBytes * RECLAIMED_SHARE
  let lastingBytes = 0
  for (const lane of lanes) lastingBytes += lane.pendingBytes + lane.keptBytes
  if (heldBytes - lastingBytes >= reclaimBytes) return
  closeLargest(lanes, {
    isWorthFrom: limitBytes * PENDING_SHARE,
    reclaimBytes,
    bytesOf: (lane) => lane.pendingBytes,
    close: (lane) => lane.flush(),
  })
  closeLargest(lanes, {
    isWorthFrom: limitBytes * SEGMENTS_SHARE,
    reclaimBytes,
    bytesOf: (lane) => lane.keptBytes,
    close: (lane) => lane.close(),
  })
}
