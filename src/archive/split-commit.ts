import type { RotationCause } from '../encode/rotation.ts'
import { joinSegments } from '../encode/segment-builder.ts'
import { createLimiter } from '../store/limiter.ts'
import { appendToChain } from './lane-run.ts'
import { finish, type OpenObject } from './open-object.ts'
import { beginTimes, type Filling } from './split-filling.ts'
import type { ClosedObject } from './takeover.ts'

/** Objects that are made durable side by side for one commit. */
const FINISHED_AT_ONCE = 32

/** Objects, then the commit that names them all, then the acknowledgement. */
export async function commit(filling: Filling, cause: RotationCause): Promise<void> {
  const { account, chain, run } = filling
  if (!account.isOpen) return
  const nextPosition = account.endPosition
  await filling.clock.fix(nextPosition)
  const closed = await finishAll(filling, [...filling.full, ...filling.open.values()])
  closed.sort((a, b) => a.entry.firstPosition - b.entry.firstPosition)
  await appendToChain(run, chain, { nextPosition, ...joinSegments(closed), ...account.close(nextPosition) }, cause)
  filling.open.clear()
  filling.sharing?.objectOf.clear()
  filling.full = []
  filling.lastFull.clear()
  filling.late.clear()
  filling.names.begin?.()
  filling.count = 0
  filling.firstTimestamp = NaN
  beginTimes(filling)
  filling.objects.waiting.clear()
  filling.clock.next()
  filling.mayBeLeft = false
  filling.due = undefined
  filling.isToClose = false
  filling.heldBytes = 0
  filling.pendingBytes = 0
  filling.lastingBytes = 0
  filling.share.hold(0)
}

async function finishAll(filling: Filling, objects: readonly OpenObject[]): Promise<ClosedObject[]> {
  // What waits on disk lies in this order.
  const inOrder = objects.toSorted((a, b) => a.ordinal - b.ordinal)
  const turns = createLimiter(FINISHED_AT_ONCE)
  const finishing = inOrder.map(async (object) => {
    const endTurn = await turns.take()
    try {
      return await finish(filling.objects, object, true)
    } finally {
      endTurn()
    }
  })
  // Nothing may be on its way any more when the objects are given up.
  await Promise.allSettled(finishing)
  return (await Promise.all(finishing)).flat()
}
