import type { BlockFilter } from '../../src/encode/block.ts'
import { assembleLookup, type LookupHash, probeSlice, sliceOf } from '../../src/encode/lookup.ts'

/** Whether one block's filter may hold the hash, asked in the way of a segment with this block alone. */
export function filterHolds(filter: BlockFilter, hash: LookupHash): boolean {
  const { lookup, bytes } = assembleLookup([filter], 0)
  const { start, end } = sliceOf(lookup, hash)
  return probeSlice(lookup, bytes.subarray(start, end), hash).length > 0
}
