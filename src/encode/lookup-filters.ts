import type { MessageBatch } from '../batch/batch.ts'
import { withRows } from '../kernel/rows.ts'
import type { BlockFilter, LookupField } from './block.ts'
import { LookupHashes } from './lookup-hashes.ts'

/** The filters of a block that holds these messages, one for each field. */
export function filtersOf(batch: MessageBatch, lookups: readonly LookupField[]): BlockFilter[] {
  const hashes = new LookupHashes(lookups)
  for (let row = 0; row < batch.count;) {
    row = withRows(
      batch,
      row,
      ({ columns }) => hashes.scratchBytes(columns),
      (rows) => {
        hashes.collect(rows, 0, rows.columns.count)
        return rows.nextRow
      },
    )
  }
  return hashes.takeFilters()
}
