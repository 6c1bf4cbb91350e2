import type { Pace } from './pace.ts'
import { nextTurn } from './pace.ts'

/** A pace that has to ask for its turns. */
export interface SharedPace {
  portion: Pace['portion']
  /** As `Pace.reserve`. */
  reserve(count: number, nowMs: number): Promise<number>
}

/** Turns are asked for in portions of this much time, so that the asking costs little. */
const GRANT_MS = 250
const PORTION_MS = 20

/**
 * The share of one worker in a rate that several hold together. It asks for turns of many messages, and spreads these over the time
 * that their turn takes. What a worker leaves unused is lost.
 */
export function createSharedPace(messagesPerSecond: number, ask: (count: number) => Promise<number>): SharedPace {
  const perMs = messagesPerSecond / 1000
  let left = 0
  let dueMs: number | null = null
  let asking: Promise<unknown> = Promise.resolve()
  const take = async (count: number, nowMs: number): Promise<number> => {
    if (left < count) {
      const granted = Math.max(count, Math.ceil(perMs * GRANT_MS))
      const waitMs = await ask(granted)
      left += granted
      dueMs = Math.max(dueMs ?? nowMs, nowMs + waitMs)
    }
    left -= count
    const turn = nextTurn(dueMs, count, perMs, nowMs)
    dueMs = turn.dueMs
    return turn.waitMs
  }
  return {
    portion: (count) => Math.min(count, Math.max(1, Math.floor(perMs * PORTION_MS))),
    reserve(count, nowMs) {
      const taken = asking.then(() => take(count, nowMs))
      asking = taken.catch(() => undefined)
      return taken
    },
  }
}
