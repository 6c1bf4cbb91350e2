import type { MemoryBudget } from './memory-budget.ts'

/** What one of many holders keeps of a budget until it is done, such as an open segment until its commit. */
export interface HeldShare {
  readonly heldBytes: number
  /** Says what it holds from now on; the budget counts it. */
  hold(bytes: number): void
  /** Whether all holders together have more than half of the budget, and this one no less than the average: it should be done early. */
  readonly isTooLarge: boolean
}

/** Shares of a budget, of which more than half should not be held for long, so that something can still pass through it. */
export interface HeldShares {
  open(): HeldShare
}

export function createHeldShares(budget: MemoryBudget): HeldShares {
  let totalBytes = 0
  let holders = 0
  return {
    open() {
      let ownBytes = 0
      return {
        get heldBytes() {
          return ownBytes
        },
        hold(bytes) {
          holders += Number(bytes > 0) - Number(ownBytes > 0)
          totalBytes += bytes - ownBytes
          if (bytes > ownBytes) budget.hold(bytes - ownBytes)
          else budget.release(ownBytes - bytes)
          ownBytes = bytes
        },
        get isTooLarge() {
          return totalBytes > budget.limitBytes / 2 && ownBytes * holders >= totalBytes
        },
      }
    },
  }
}
