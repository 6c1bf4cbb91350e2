import { closeLargest } from '../batch/close-largest.ts'
import type { Filling } from './split-filling.ts'

/** Shares of the memory budget: what blocks that fill may have before the largest close early, and compressed ones before they go to disk. */
const PENDING_SHARE = 1 / 4
const COMPRESSED_SHARE = 1 / 4
/** So much is let go of at a time. */
const RECLAIMED_SHARE = 1 / 8

/** Closes the largest of the blocks that fill, and moves the largest of those that wait to disk, where they have too much of the memory or others wait for it. */
export async function makeRoom(filling: Filling): Promise<void> {
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
