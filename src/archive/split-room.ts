import { closeLargest } from '../batch/close-largest.ts'
import { type OpenObject, press } from './open-object.ts'
import type { Spill } from '../store/spill.ts'
import type { Filling } from './split-filling.ts'
import type { RowQueue } from './waiting-rows.ts'

/** Shares of the memory budget: what messages may have that wait, blocks that fill before the largest close early, and compressed ones before they go to disk. */
const WAITING_SHARE = 1 / 16
const PENDING_SHARE = 1 / 4
const COMPRESSED_SHARE = 1 / 4
/** So much is let go of at a time. */
const RECLAIMED_SHARE = 1 / 8
/** Less is not worth looking at all objects. */
const WORTH_COMPACTING_BYTES = 1024 * 1024
/** Objects that make blocks side by side. */
const PRESSED_AT_ONCE = 16
/** Messages that wait are numbered, and counted in 31 bits. */
const MAX_WAITING_BYTES = 512 * 1024 * 1024

/**
 * Moves messages that wait to disk, closes the largest of the blocks that fill, and moves the largest of those that are compressed to disk, where they have too
 * much of the memory or others wait for it.
 */
export async function makeRoom(filling: Filling): Promise<void> {
  const { isToFlush, isToMove } = filling
  const { run, waiting } = filling.objects
  const { limitBytes } = run.budget
  const reclaimBytes = limitBytes * RECLAIMED_SHARE
  filling.isToFlush = false
  filling.isToMove = false
  if (waiting.bytes > WORTH_COMPACTING_BYTES && waiting.wantedBytes < waiting.bytes / 2) waiting.compact(queuesOf(filling))
  if (isToFlush || waiting.bytes > Math.min(limitBytes * WAITING_SHARE, MAX_WAITING_BYTES)) await letGo(filling)
  if (isToFlush || filling.pendingBytes - waiting.bytes > limitBytes * PENDING_SHARE) {
    closeLargest(filling.open.values(), {
      isWorthFrom: 0,
      reclaimBytes,
      bytesOf: ({ writing }) => writing?.pendingBytes ?? 0,
      close: ({ writing }) => writing!.flush(),
    })
  }
  const compressedBytes = filling.heldBytes - filling.pendingBytes - filling.lastingBytes
  if (!(isToMove || compressedBytes > limitBytes * COMPRESSED_SHARE)) return
  const disk = await spillOf(filling)
  if (disk === undefined) return
  const moving: Promise<void>[] = []
  closeLargest(filling.open.values(), {
    isWorthFrom: 0,
    reclaimBytes,
    bytesOf: ({ writing }) => writing?.memoryBytes ?? 0,
    close: ({ writing }) => moving.push(writing!.moveTo(disk)),
  })
  await Promise.all(moving)
}

/** Those that have messages that wait in memory, in the order of their numbers; of those that are full some may not be written before their commit. */
const inOrder = ({ full, open }: Filling): OpenObject[] =>
  [...full, ...open.values()].filter(({ queue }) => queue.memoryBytes > 0).sort((a, b) => a.ordinal - b.ordinal)

const queuesOf = (filling: Filling): RowQueue[] => inOrder(filling).map(({ queue }) => queue)

/** The lane's file. */
function spillOf(filling: Filling): Promise<Spill> | undefined {
  filling.spill ??= filling.run.parts.openSpill?.()
  return filling.spill
}

/** Lets messages that wait go to disk, or into blocks where there is none. */
async function letGo(filling: Filling): Promise<void> {
  const disk = await spillOf(filling)
  if (disk !== undefined) return filling.objects.waiting.spill(disk, queuesOf(filling))
  const objects = inOrder(filling)
  while (objects.length > 0) await Promise.all(objects.splice(0, PRESSED_AT_ONCE).map((object) => press(filling.objects, object)))
}
