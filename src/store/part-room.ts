/** A writer that holds more than a part though it could send it. */
export interface PartHolder {
  /** What it could send. */
  readonly sendableBytes: number
  /** Begins to send, now and from now on. */
  send(): void
}

/** Room that the writers of a store share: what they hold back, so that an object may be one request, is bounded together. */
export interface PartRoom {
  /** Counts what a writer holds more, or less, than before. Where all hold too much, those that offered the most begin to send. */
  hold(changeBytes: number): void
  /** The holder may be told to send. */
  offer(holder: PartHolder): void
  withdraw(holder: PartHolder): void
}

/** Room for `limitBytes`; past it a writer holds no more than it must. */
export function createPartRoom(limitBytes: number): PartRoom {
  const offers = new Set<PartHolder>()
  let heldBytes = 0
  return {
    hold(changeBytes) {
      heldBytes += changeBytes
      let excessBytes = heldBytes - limitBytes
      while (excessBytes > 0 && offers.size > 0) {
        const largest = [...offers].reduce((a, b) => (b.sendableBytes > a.sendableBytes ? b : a))
        offers.delete(largest)
        excessBytes -= largest.sendableBytes
        largest.send()
      }
    },
    offer: (holder) => void offers.add(holder),
    withdraw: (holder) => void offers.delete(holder),
  }
}
