/** Messages of one partition that were sent together, in order; `baseOffset` is there where the broker acknowledged them. */
export interface SentBatch {
  readonly first: number
  readonly count: number
  readonly baseOffset: number | undefined
}

/** What was sent to a topic. */
export interface Ledger {
  /** By partition, in the order in which it was sent; message numbers follow each other without a gap. */
  readonly partitions: readonly (readonly SentBatch[])[]
  readonly acknowledged: number
  /** Sent, and never answered, or by an error: the broker may have them. */
  readonly unacknowledged: number
  readonly add: (partition: number, batch: SentBatch) => void
}

export function createLedger(partitionCount: number): Ledger {
  const partitions = Array.from({ length: partitionCount }, (): SentBatch[] => [])
  let acknowledged = 0
  let unacknowledged = 0
  return {
    partitions,
    get acknowledged() {
      return acknowledged
    },
    get unacknowledged() {
      return unacknowledged
    },
    add(partition, batch) {
      partitions[partition]!.push(batch)
      if (batch.baseOffset === undefined) unacknowledged += batch.count
      else acknowledged += batch.count
    },
  }
}

/** How many messages of the partition were sent. */
export function sentCount(batches: readonly SentBatch[]): number {
  const last = batches.at(-1)
  return last === undefined ? 0 : last.first + last.count
}
