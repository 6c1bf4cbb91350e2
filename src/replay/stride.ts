/** How many messages a lane hands over at once, so that a slow target is asked for little at a time and a fast one for much. */
export interface Stride {
  readonly count: number
  /** Takes in that `count` messages were handed over in `tookMs`. */
  took(count: number, tookMs: number): void
}

/** What a kill may send twice, and how long a lane goes on without word of its progress: about this much time. */
const STRIDE_MS = 200
const FIRST_COUNT = 500

/** A stride of about STRIDE_MS, for targets that cannot tell how far they got. */
export function createStride(): Stride {
  let next = FIRST_COUNT
  return {
    get count() {
      return next
    },
    took(count, tookMs) {
      const fitting = tookMs > 0 ? (count * STRIDE_MS) / tookMs : Infinity
      next = Math.max(1, Math.floor(Math.min(fitting, next * 2, Number.MAX_SAFE_INTEGER)))
    },
  }
}

/** For targets that can tell: nothing is sent twice however much is handed over at once. */
export const wholeBatches: Stride = { count: Infinity, took: () => undefined }
