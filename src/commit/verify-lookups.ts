import { headersAt, idAt, keyAt } from '../batch/view.ts'
import type { MessageBatch } from '../batch/batch.ts'
import type { LookupField } from '../encode/block.ts'
import { checkSlice, holdsFilter, lookupHash, type LookupHash, presenceHash, probeSlice, sliceOf } from '../encode/lookup.ts'
import { RawBlockBuilder } from '../encode/raw-block.ts'
import type { SegmentLookup } from '../encode/segment.ts'

const encoder = new TextEncoder()

/** What the filters of one block do not find though the block holds it. */
export interface LookupFault {
  readonly field: LookupField
  readonly position: number
}

/** What is wrong with the bytes of a look-up, slice by slice; `lookupBytes` are all those of the commit. */
export function sliceFault(lookup: SegmentLookup, lookupBytes: Uint8Array): string | undefined {
  const sliceBytes = lookup.bytes / lookup.slices
  for (let slice = 0; slice < lookup.slices; slice++) {
    const start = lookup.offset + slice * sliceBytes
    try {
      const bytes = lookupBytes.subarray(start, start + sliceBytes)
      checkSlice(lookup, bytes)
      // Any question tells whether there are as many fingerprints as there should be.
      probeSlice(lookup, bytes, { high: Math.floor(((slice + 0.5) * 2 ** 32) / lookup.slices), low: 0 })
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  return undefined
}

/**
 * The first message of each field that the filters of block `ordinal` would not find; the look-ups have no `sliceFault`.
 * The filters are made again from the messages: where they are the same, nothing can be missed, and no message is looked at.
 */
export function lookupFaults(
  lookups: readonly SegmentLookup[],
  ordinal: number,
  batch: MessageBatch,
  lookupBytes: Uint8Array,
): LookupFault[] {
  if (lookups.length === 0) return []
  const builder = new RawBlockBuilder(
    lookups.map(({ field }) => field),
    { blockBytes: Infinity },
  )
  builder.append(batch, 0)
  const { filters } = builder.seal()
  const faults: LookupFault[] = []
  for (const [i, lookup] of lookups.entries()) {
    if (holdsFilter(lookup, lookupBytes.subarray(lookup.offset, lookup.offset + lookup.bytes), ordinal, filters[i]!)) continue
    const row = missedRow(lookup, ordinal, batch, lookupBytes)
    if (row !== undefined) faults.push({ field: lookup.field, position: batch.positions[row]! })
  }
  return faults
}

/** The first message that a look-up by this field would miss; asked as a reader asks. */
function missedRow(lookup: SegmentLookup, ordinal: number, batch: MessageBatch, lookupBytes: Uint8Array): number | undefined {
  for (let row = 0; row < batch.count; row++) {
    for (const hash of hashesAt(batch, row, lookup.field)) {
      const { start, end } = sliceOf(lookup, hash)
      if (!probeSlice(lookup, lookupBytes.subarray(start, end), hash).includes(ordinal)) return row
    }
  }
  return undefined
}

function hashesAt(batch: MessageBatch, row: number, field: LookupField): LookupHash[] {
  if (field === 'key') return hashesOf(keyAt(batch, row))
  if (field === 'id') {
    const id = idAt(batch, row)
    return hashesOf(id === null ? null : encoder.encode(id))
  }
  const name = field.slice('header:'.length)
  const headers = headersAt(batch, row).filter((header) => header.name === name)
  return headers.flatMap(({ value }) => [presenceHash, ...hashesOf(value)])
}

const hashesOf = (value: Uint8Array | null): LookupHash[] => (value === null ? [] : [lookupHash(value)])
