/** How holders of memory are made to give it back. */
export interface Closing<T> {
  /** What all hold together before any is closed. */
  readonly isWorthFrom: number
  /** How much is to be given back then. */
  readonly reclaimBytes: number
  readonly bytesOf: (holder: T) => number
  readonly close: (holder: T) => void
}

/** Where the holders have much together, closes the largest of them until enough is given back. */
export function closeLargest<T>(holders: Iterable<T>, { isWorthFrom, reclaimBytes, bytesOf, close }: Closing<T>): void {
  const all = [...holders]
  // It is asked often and seldom worth it: nothing is sorted before it is.
  const total = all.reduce((sum, holder) => sum + bytesOf(holder), 0)
  if (total < isWorthFrom) return
  const sorted = all.map((holder) => ({ holder, bytes: bytesOf(holder) })).sort((a, b) => b.bytes - a.bytes)
  let reclaimed = 0
  for (const { holder, bytes } of sorted) {
    if (bytes === 0 || reclaimed >= reclaimBytes) return
    close(holder)
    reclaimed += bytes
  }
}
