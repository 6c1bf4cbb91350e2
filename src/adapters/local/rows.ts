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

/** Filters as bytes: for each the length of its name (uint16), its buckets (uint32), name, bits; little endian. */
export function packFilters(filters: readonly BlockFilter[]): Uint8Array {
  if (filters.length === 0) return NO_FILTERS
  const names = filters.map(({ field }) => encoder.encode(field))
  const total = filters.reduce((sum, { bits }, i) => sum + 6 + names[i]!.byteLength + bits.byteLength, 0)
  const packed = new Uint8Array(total)
  const view = new DataView(packed.buffer)
  let at = 0
  for (const [i, { buckets, bits }] of filters.entries()) {
    const name = names[i]!
    view.setUint16(at, name.byteLength, true)
    view.setUint32(at + 2, buckets, true)
    packed.set(name, at + 6)
    packed.set(bits, at + 6 + name.byteLength)
    at += 6 + name.byteLength + bits.byteLength
  }
  return packed
}

const BUCKET_BYTES = 32

/**
 * The filters that `packFilters` packed.
 * @throws MillpondError `LOG_CORRUPT` where the lengths do not add up.
 */
export function unpackFilters(packed: Uint8Array): BlockFilter[] {
  const filters: BlockFilter[] = []
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  let at = 0
  while (at < packed.byteLength) {
    if (at + 6 > packed.byteLength) throw new MillpondError('LOG_CORRUPT', 'the filters of a row are cut')
    const nameEnd = at + 6 + view.getUint16(at, true)
    const buckets = view.getUint32(at + 2, true)
    const end = nameEnd + buckets * BUCKET_BYTES
    if (end > packed.byteLength) throw new MillpondError('LOG_CORRUPT', 'the filters of a row are cut')
    const field = decoder.decode(packed.subarray(at + 6, nameEnd)) as LookupField
    filters.push({ field, buckets, bits: packed.subarray(nameEnd, end) })
    at = end
  }
  return filters
}
