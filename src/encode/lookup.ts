/**
 * Look-up filters: for each block of a segment and each look-up field one split-block Bloom filter (Apache Parquet's, XXH64) over the
 * distinct values that are not null. Bucket of a hash: its high word times the buckets, divided by 2^32.
 *
 * The filters of one field are stored in slices: where a block has 64 buckets or more there are 64, slice `s` holding of each block, in
 * order, the buckets from s/64 to (s + 1)/64 of all; smaller filters (their buckets are a power of two) are stretched to 64 by repeating
 * each bucket, which leaves every hash where it belongs. Otherwise there is one slice. So a look-up reads one slice, a 64th. Each
 * slice ends in the CRC-32C of what comes before, low byte first: a bit that is not set would hide messages without a word.
 */
import { MillpondError } from '../errors.ts'
import type { SegmentLookup } from './segment.ts'
import { crc32c, type Hash64, xxhash64 } from '../kernel/checksum.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { SLACK_BYTES, withKernel } from '../kernel/kernel.ts'
import type { ByteRange } from '../store/store.ts'
import type { BlockFilter, LookupField } from './block.ts'

/** What a look-up asks the filters for. */
export type LookupHash = Hash64

const BUCKET_BYTES = 32
const SLICES = 64
const CHECKSUM_BYTES = 4
/** About 1 false answer in 1,000 (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007, blocked by 256 bits). */
const BITS_PER_VALUE = 14
/** Keeps the product with a 32-bit word exact; past it (19 million values in one block) filters only get less sharp. */
const MAX_BUCKETS = 1 << 20

/** The hash of a value: the bytes of a key or header value, the UTF-8 of an id. */
export const lookupHash = (value: Uint8Array): LookupHash => xxhash64(value)

/** In the filter of `header:<name>` where a message of the block has that header at all. */
export const presenceHash: LookupHash = { high: 0x4d69_6c6c, low: 0x706f_6e64 }

/** The same for the kernel, which takes 64 bits. */
export const presenceBits = (BigInt(presenceHash.high) << 32n) | BigInt(presenceHash.low)

/** Buckets of a filter for so many distinct values: 1, 2, 4, 8, 16, 32 or a multiple of 64. */
export function bucketsFor(distinct: number): number {
  const buckets = Math.ceil((distinct * BITS_PER_VALUE) / (BUCKET_BYTES * 8))
  if (buckets > 32) return Math.min(MAX_BUCKETS, Math.ceil(buckets / SLICES) * SLICES)
  return buckets <= 1 ? 1 : 2 ** Math.ceil(Math.log2(buckets))
}

/** The filter over `count` hashes of 8 bytes each, which may repeat. */
export function buildFilter(field: LookupField, hashes: Uint8Array): BlockFilter {
  const bits = filterOf(hashes, bucketsFor)
  return { field, buckets: bits.byteLength / BUCKET_BYTES, bits }
}

/** The bits of a filter over hashes of 8 bytes each; `buckets` tells its buckets for so many distinct ones and never falls. */
export function filterOf(hashes: Uint8Array, buckets: (distinct: number) => number): Uint8Array {
  const count = hashes.byteLength / 8
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)))
  const filterBytes = buckets(count) * BUCKET_BYTES
  return withKernel(hashes.byteLength + slots * 8 + filterBytes + 3 * SLACK_BYTES, (kernel: Kernel) => {
    const at = kernel.arenaStart
    const table = at + hashes.byteLength + SLACK_BYTES
    const bits = table + slots * 8 + SLACK_BYTES
    kernel.bytes.set(hashes, at)
    const distinct = kernel.exports.distinctHashes(at, count, table, slots)
    kernel.exports.fillFilter(at, distinct, bits, buckets(distinct))
    return kernel.bytes.slice(bits, bits + buckets(distinct) * BUCKET_BYTES)
  })
}

/** The filters of one field, of all blocks of a segment in order, as they are stored; `offset` is what `lookup.offset` will be. */
export function assembleLookup(
  filters: readonly BlockFilter[],
  offset: number,
): { readonly lookup: SegmentLookup; readonly bytes: Uint8Array } {
  const slices = filters.some(({ buckets }) => buckets >= SLICES) ? SLICES : 1
  const buckets = filters.map((filter) => (slices === 1 ? filter.buckets : Math.max(SLICES, filter.buckets)))
  const bytes = new Uint8Array(slices * sliceBytesOf(buckets, slices))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (let slice = 0; slice < slices; slice++) {
    const start = at
    for (const [ordinal, filter] of filters.entries()) {
      const part = buckets[ordinal]! / slices
      if (filter.buckets === buckets[ordinal]) {
        bytes.set(filter.bits.subarray(slice * part * BUCKET_BYTES, (slice + 1) * part * BUCKET_BYTES), at)
        at += part * BUCKET_BYTES
        continue
      }
      for (let bucket = slice * part; bucket < (slice + 1) * part; bucket++) {
        const stored = Math.floor((bucket * filter.buckets) / buckets[ordinal]!) * BUCKET_BYTES
        bytes.set(filter.bits.subarray(stored, stored + BUCKET_BYTES), at)
        at += BUCKET_BYTES
      }
    }
    view.setUint32(at, crc32c(bytes.subarray(start, at)), true)
    at += CHECKSUM_BYTES
  }
  const { field } = filters[0]!
  return { lookup: { field, slices, buckets, offset, bytes: bytes.byteLength }, bytes }
}

/**
 * The filters that `assembleLookup` was given, from all slices of a field.
 * @throws MillpondError `COMMIT_CORRUPT`.
 */
export function takeApartLookup(lookup: SegmentLookup, bytes: Uint8Array): BlockFilter[] {
  const { field, slices, buckets } = lookup
  const sliceBytes = sliceBytesOf(buckets, slices)
  const filters = buckets.map((count) => ({ field, buckets: count, bits: new Uint8Array(count * BUCKET_BYTES) }))
  for (let slice = 0; slice < slices; slice++) {
    const part = bytes.subarray(slice * sliceBytes, (slice + 1) * sliceBytes)
    checkSlice(lookup, part)
    let at = 0
    for (const { buckets: count, bits } of filters) {
      const partBytes = (count / slices) * BUCKET_BYTES
      bits.set(part.subarray(at, at + partBytes), slice * partBytes)
      at += partBytes
    }
  }
  return filters
}

/** Bytes of each slice of filters of these buckets, its checksum included. */
const sliceBytesOf = (buckets: readonly number[], slices: number): number =>
  (buckets.reduce((sum, count) => sum + count, 0) / slices) * BUCKET_BYTES + CHECKSUM_BYTES

/** The one slice that a look-up of `hash` reads, in the coordinates of `lookup.offset`. */
export function sliceOf(lookup: SegmentLookup, hash: LookupHash): ByteRange {
  const sliceBytes = lookup.bytes / lookup.slices
  const start = lookup.offset + Math.floor((hash.high * lookup.slices) / 2 ** 32) * sliceBytes
  return { start, end: start + sliceBytes }
}

/**
 * Checks the bytes that `sliceOf` named, before anything is asked of them.
 * @throws MillpondError `COMMIT_CORRUPT` where they are not what was written; the caller knows of which commit.
 */
export function checkSlice(lookup: SegmentLookup, slice: Uint8Array): void {
  const bytes = sliceBytesOf(lookup.buckets, lookup.slices)
  if (slice.byteLength !== bytes) {
    throw new MillpondError('COMMIT_CORRUPT', `a part of its look-up filters has ${slice.byteLength} bytes, not ${bytes}`)
  }
  const filled = bytes - CHECKSUM_BYTES
  const expected = new DataView(slice.buffer, slice.byteOffset, bytes).getUint32(filled, true)
  if (crc32c(slice.subarray(0, filled)) !== expected) {
    throw new MillpondError('COMMIT_CORRUPT', 'a part of its look-up filters does not match its CRC-32C')
  }
}

/** Ordinals of the blocks that may hold a value of that hash; `slice` holds the bytes that `sliceOf` named and passed `checkSlice`. */
export function probeSlice(lookup: SegmentLookup, slice: Uint8Array, hash: LookupHash): number[] {
  const sliceIndex = Math.floor((hash.high * lookup.slices) / 2 ** 32)
  const view = new DataView(slice.buffer, slice.byteOffset, slice.byteLength)
  const masks = SALTS.map((salt) => 1 << (Math.imul(hash.low, salt) >>> 27))
  const ordinals: number[] = []
  let partStart = 0
  for (const [ordinal, buckets] of lookup.buckets.entries()) {
    const part = buckets / lookup.slices
    const bucket = Math.floor((hash.high * buckets) / 2 ** 32) - sliceIndex * part
    const at = (partStart + bucket) * BUCKET_BYTES
    if (masks.every((mask, word) => (view.getInt32(at + word * 4, true) & mask) !== 0)) ordinals.push(ordinal)
    partStart += part
  }
  return ordinals
}

/** Source: Apache Parquet format, BloomFilter.md. */
const SALTS = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31]
