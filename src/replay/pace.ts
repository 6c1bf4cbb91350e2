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

/** A turn for some messages. */
export interface Turn {
  /** How long to wait for it. */
  readonly waitMs: number
  /** When the first message behind it is due. */
  readonly dueMs: number
}

/**
 * The turn for `count` messages where the next one is due at `dueMs`, null before the first turn of all: that one is now, for nothing was
 * missed before it.
 */
export function nextTurn(dueMs: number | null, count: number, perMs: number, nowMs: number): Turn {
  const startMs = dueMs === null ? nowMs : Math.max(dueMs, nowMs - CATCH_UP_MS)
  return { waitMs: Math.max(0, startMs - nowMs), dueMs: startMs + count / perMs }
}

/**
 * A token bucket, kept as the moment at which the next message is due: in any time of T ms no more leave than
 * `messagesPerSecond` × (T + CATCH_UP_MS) / 1000 and one portion. `nowMs` must come from a clock that does not go back.
 */
export function createPace(messagesPerSecond: number): Pace {
  const perMs = messagesPerSecond / 1000
  let dueMs: number | null = null
  return {
    portion: (count) => Math.min(count, Math.max(1, Math.floor(perMs * PORTION_MS))),
    reserve(count, nowMs) {
      const turn = nextTurn(dueMs, count, perMs, nowMs)
      dueMs = turn.dueMs
      return turn.waitMs
    },
  }
}
