import { controlType, type RecordBatchInfo, scanRecordSet } from '../../encode/record-set.ts'
import type { AbortedTransaction } from './fetch-api.ts'
import type { EpochRun } from './lane-epochs.ts'

/** Record batches of one partition as the broker gave them, and which of them hold messages for a reader. */
export interface FetchedSet {
  readonly bytes: Uint8Array
  /** In order; whole, checked, and neither control records nor of a transaction that was aborted. */
  readonly kept: readonly RecordBatchInfo[]
  /** The position that was asked for: the first batch may begin before it. */
  readonly fromPosition: number
  /** Everything below is in `kept` or holds no message. */
  readonly passedTo: number
  /** Length of the longest batch of all: the next may be as long. */
  readonly longestBytes: number
  /** Up to `passedTo`. */
  readonly epochs: readonly EpochRun[]
}

/** A record set of which not one batch is whole: so many bytes are needed for the first. */
export interface CutSet {
  readonly neededBytes: number
}

/**
 * Looks a fetched record set over, which is not empty.
 * @throws MillpondError `RECORD_SET_CORRUPT`, `FORMAT_UNSUPPORTED` as scanning does.
 */
export function keepRecords(
  bytes: Uint8Array,
  fromPosition: number,
  aborted: readonly AbortedTransaction[],
): FetchedSet | CutSet {
  const { batches, neededBytes } = scanRecordSet(bytes)
  const last = batches.at(-1)
  if (last === undefined) return { neededBytes: neededBytes ?? 0 }
  const kept = withoutAborted(bytes, batches, aborted).filter(
    ({ isControl, count, lastOffset }) => !isControl && count > 0 && lastOffset >= fromPosition,
  )
  return {
    bytes,
    kept,
    fromPosition,
    passedTo: Math.max(fromPosition, last.lastOffset + 1),
    longestBytes: batches.reduce((longest, batch) => Math.max(longest, batch.bytes), 0),
    epochs: epochsOf(batches, fromPosition),
  }
}

function epochsOf(batches: readonly RecordBatchInfo[], fromPosition: number): EpochRun[] {
  const runs: EpochRun[] = []
  for (const { leaderEpoch: epoch, lastOffset } of batches) {
    if (lastOffset < fromPosition) continue
    if (runs.at(-1)?.epoch === epoch) runs.pop()
    runs.push({ epoch, nextPosition: lastOffset + 1 })
  }
  return runs
}

/**
 * Batches that are of no aborted transaction. A producer's batches are aborted from the first offset that the broker names for it
 * up to the control batch that says so. Source: Apache Kafka 4.3, `CompletedFetch.nextFetchedRecord`.
 */
function withoutAborted(
  bytes: Uint8Array,
  batches: readonly RecordBatchInfo[],
  aborted: readonly AbortedTransaction[],
): readonly RecordBatchInfo[] {
  if (aborted.length === 0) return batches
  const coming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  const aborting = new Set<bigint>()
  let next = 0
  return batches.filter((batch) => {
    for (; next < coming.length && coming[next]!.firstOffset <= batch.lastOffset; next++) aborting.add(coming[next]!.producerId)
    if (batch.isControl) {
      if (controlType(bytes, batch) === 'abort') aborting.delete(batch.producerId)
      return false
    }
    return !(batch.isTransactional && aborting.has(batch.producerId))
  })
}
