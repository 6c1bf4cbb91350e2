import type { MessageBatch } from '../batch/batch.ts'

/** Times of messages, of which those that come late are the newest time that was there before them. */
export interface LateTimes {
  /** Forgets what was there before. */
  begin(): void
  /**
   * The time of each row, ms, by what a clock says of it, NaN for none. `name` tells clocks apart. Batches have to come in order; one that is asked for
   * again is not gone through again. No time behind `nowMs` makes others late: a single message from the future would do so with all of them.
   */
  of(
    batch: MessageBatch,
    clock: { readonly name: string; readonly nowMs: number; readonly timeOf: (row: number) => number },
  ): Float64Array
}

/** Late is what is more than `graceMs` older than the newest message before it. */
export function createLateTimes(graceMs: number): LateTimes {
  const newest = new Map<string, number>()
  const known = new Map<string, { readonly batch: MessageBatch; readonly times: Float64Array }>()
  return {
    begin() {
      newest.clear()
      known.clear()
    },
    of(batch, { name, nowMs, timeOf }) {
      const before = known.get(name)
      if (before?.batch === batch) return before.times
      let last = newest.get(name) ?? -Infinity
      const times = Float64Array.from({ length: batch.count }, (_, row) => {
        const time = timeOf(row)
        if (time > last && time <= nowMs) last = time
        return time < last - graceMs ? last : time
      })
      newest.set(name, last)
      known.set(name, { batch, times })
      return times
    },
  }
}
