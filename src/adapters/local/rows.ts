import { crc32 } from 'node:zlib'
import type { AvroBlock, BlockFilter, Codec, LookupField } from '../../encode/block.ts'
import { MillpondError } from '../../errors.ts'

/** An encoded block as a row of the log holds it. */
export interface BlockRow {
  readonly partitionKey: number
  readonly firstPosition: number
  readonly count: number
  readonly codec: Codec
  readonly rawBytes: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
  readonly filters: Uint8Array
  readonly bytes: Uint8Array
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
const NO_FILTERS = new Uint8Array(0)

/**
 * CRC-32 of everything that a row says, in a fixed order. CRC-32 and not the archive's CRC-32C: Node computes it natively in
 * place, and the log is read by Millpond alone.
 */
export function rowChecksum(row: BlockRow): number {
  const { partitionKey, firstPosition, count, rawBytes, minTimestamp, maxTimestamp } = row
  const numbers = new Float64Array([
    partitionKey,
    firstPosition,
    count,
    rawBytes,
    minTimestamp,
    maxTimestamp,
    row.filters.byteLength,
  ])
  const head = crc32(row.codec, crc32(new Uint8Array(numbers.buffer)))
  return crc32(row.bytes, crc32(row.filters, head))
}

/** The row that holds the block. Positions within it must be dense. */
export function rowOf(partitionKey: number, block: AvroBlock): BlockRow {
  const { firstPosition, count, codec, rawBytes, minTimestamp, maxTimestamp, bytes } = block
  return {
    partitionKey,
    firstPosition,
    count,
    codec,
    rawBytes,
    minTimestamp,
    maxTimestamp,
    filters: packFilters(block.filters),
    bytes,
  }
}

/** The block that a row holds. */
export function blockOf(row: BlockRow): AvroBlock {
  return {
    format: 'avro',
    codec: row.codec,
    bytes: row.bytes,
    rawBytes: row.rawBytes,
    count: row.count,
    firstPosition: row.firstPosition,
    lastPosition: row.firstPosition + row.count - 1,
    minTimestamp: row.minTimestamp,
    maxTimestamp: row.maxTimestamp,
    filters: unpackFilters(row.filters),
  }
}

/** What the bytes of filters begin with; those of before, which were of another kind, begin with the length of a name. */
const FILTERS_MARK = 0xffff
const FILTER_HEAD_BYTES = 10

/** Filters as bytes: a mark, then for each the length of its name (uint16), its buckets (uint32), its length (uint32), name, bits; little endian. */
export function packFilters(filters: readonly BlockFilter[]): Uint8Array {
  if (filters.length === 0) return NO_FILTERS
  const names = filters.map(({ field }) => encoder.encode(field))
  const total = filters.reduce((sum, { bits }, i) => sum + FILTER_HEAD_BYTES + names[i]!.byteLength + bits.byteLength, 2)
  const packed = new Uint8Array(total)
  const view = new DataView(packed.buffer)
  view.setUint16(0, FILTERS_MARK, true)
  let at = 2
  for (const [i, { buckets, bits }] of filters.entries()) {
    const name = names[i]!
    view.setUint16(at, name.byteLength, true)
    view.setUint32(at + 2, buckets, true)
    view.setUint32(at + 6, bits.byteLength, true)
    packed.set(name, at + FILTER_HEAD_BYTES)
    packed.set(bits, at + FILTER_HEAD_BYTES + name.byteLength)
    at += FILTER_HEAD_BYTES + name.byteLength + bits.byteLength
  }
  return packed
}

/**
 * The filters that `packFilters` packed; none where an older version did: its blocks are then encoded again when they are archived.
 * @throws MillpondError `LOG_CORRUPT` where the lengths do not add up.
 */
export function unpackFilters(packed: Uint8Array): BlockFilter[] {
  const filters: BlockFilter[] = []
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  if (packed.byteLength < 2 || view.getUint16(0, true) !== FILTERS_MARK) return filters
  let at = 2
  while (at < packed.byteLength) {
    if (at + FILTER_HEAD_BYTES > packed.byteLength) throw new MillpondError('LOG_CORRUPT', 'the filters of a row are cut')
    const nameEnd = at + FILTER_HEAD_BYTES + view.getUint16(at, true)
    const buckets = view.getUint32(at + 2, true)
    const end = nameEnd + view.getUint32(at + 6, true)
    if (end > packed.byteLength) throw new MillpondError('LOG_CORRUPT', 'the filters of a row are cut')
    const field = decoder.decode(packed.subarray(at + FILTER_HEAD_BYTES, nameEnd)) as LookupField
    filters.push({ field, buckets, bits: packed.subarray(nameEnd, end) })
    at = end
  }
  return filters
}
