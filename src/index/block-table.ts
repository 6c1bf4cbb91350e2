import type { BlockEntry, SegmentLookup } from '../encode/segment.ts'
import type { LookupField } from '../encode/block.ts'
import { NumberReader, NumberWriter } from './numbers.ts'

/** What a reader needs of a segment beside its own entry. */
export interface SegmentTables {
  readonly blocks: readonly BlockEntry[]
  readonly lookups: readonly SegmentLookup[]
}

/**
 * The block table and the filters' places as compact bytes, about 16 a block: variable-length integers, each the difference to what
 * the entry before lets one expect. Any table comes back as it was, an unexpected one only costs more bytes.
 */
export function encodeTables(tables: SegmentTables): Uint8Array {
  const out = new NumberWriter()
  out.unsigned(tables.blocks.length)
  let expected = { offset: 0, position: 0, timestamp: 0 }
  for (const block of tables.blocks) {
    out.relative(block.offset, expected.offset)
    out.unsigned(block.bytes)
    out.fixed32(block.crc32c)
    out.unsigned(block.count)
    out.relative(block.firstPosition, expected.position)
    out.relative(block.lastPosition, block.firstPosition + block.count - 1)
    out.relative(block.minTimestamp, expected.timestamp)
    out.relative(block.maxTimestamp, block.minTimestamp)
    expected = { offset: block.offset + block.bytes, position: block.lastPosition + 1, timestamp: block.maxTimestamp }
  }
  out.unsigned(tables.lookups.length)
  for (const lookup of tables.lookups) {
    out.text(lookup.field)
    out.unsigned(lookup.slices)
    out.unsigned(lookup.offset)
    out.unsigned(lookup.bytes)
    out.unsigned(lookup.buckets.length)
    for (const buckets of lookup.buckets) out.unsigned(buckets)
  }
  return out.finish()
}

/**
 * What `encodeTables` was given.
 * @throws RangeError where the bytes are not such a table.
 */
export function decodeTables(bytes: Uint8Array): SegmentTables {
  const from = new NumberReader(bytes)
  const blocks: BlockEntry[] = []
  let expected = { offset: 0, position: 0, timestamp: 0 }
  for (let left = from.count(); left > 0; left--) {
    const offset = from.relative(expected.offset)
    const blockBytes = from.unsigned()
    const crc32c = from.fixed32()
    const count = from.unsigned()
    const firstPosition = from.relative(expected.position)
    const lastPosition = from.relative(firstPosition + count - 1)
    const minTimestamp = from.relative(expected.timestamp)
    const maxTimestamp = from.relative(minTimestamp)
    blocks.push({ offset, bytes: blockBytes, crc32c, count, firstPosition, lastPosition, minTimestamp, maxTimestamp })
    expected = { offset: offset + blockBytes, position: lastPosition + 1, timestamp: maxTimestamp }
  }
  const lookups: SegmentLookup[] = []
  for (let left = from.count(); left > 0; left--) {
    const field = from.text() as LookupField
    const slices = from.unsigned()
    const offset = from.unsigned()
    const lookupBytes = from.unsigned()
    const buckets: number[] = []
    for (let each = from.count(); each > 0; each--) buckets.push(from.unsigned())
    lookups.push({ field, slices, buckets, offset, bytes: lookupBytes })
  }
  if (!from.ended) throw new RangeError('bytes follow the table')
  return { blocks, lookups }
}
