/** Spreads messages over time; shared by all lanes of a replay, which get their turns in the order of asking. */
export interface Pace {
  /** How many of `count` messages may go at once, so that a slow replay is a steady flow and not one heap after another; one at least. */
  portion(count: number): number
  /** Takes a turn for `count` messages; gives how long to wait for it, ms. */
  reserve(count: number, nowMs: number): number
}

/** Messages that go at once are those of this much time. */
const PORTION_MS = 20

/** Time that a late turn may make up for; the rest of a pause is lost, so that no burst follows it. */
const CATCH_UP_MS = 100

/**
 * A token bucket, kept as the moment at which the next message is due: in any time of T ms no more leave than
 * `messagesPerSecond` × (T + CATCH_UP_MS) / 1000 and one portion. `nowMs` must come from a clock that does not go back.
 */
export function createPace(messagesPerSecond: number): Pace {
  const perMs = messagesPerSecond / 1000
  let dueMs = -Infinity
  return {
    portion: (count) => Math.min(count, Math.max(1, Math.floor(perMs * PORTION_MS))),
    reserve(count, nowMs) {
      const turnMs = Math.max(dueMs, nowMs - CATCH_UP_MS)
      // The first turn of all is now: nothing was missed before it.
      const startMs = dueMs === -Infinity ? nowMs : turnMs
      dueMs = startMs + count / perMs
      return Math.max(0, startMs - nowMs)
    },
  }
}
