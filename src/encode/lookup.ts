/**
 * Look-up filters: for each block of a segment and each look-up field the distinct values that are not null, as fingerprints of 16 bits. The high word
 * of a value's hash (XXH64), times the buckets, divided by 2^32, names its bucket; the low 16 bits are what is kept of it there. A block
 * whose values are 14 at the most has one bucket; all others have two values a bucket on average, in a multiple of 128 buckets. That takes 18 bits a
 * value and answers wrongly for 1 of 30,000 values that are not there: a look-up among a hundred million messages reads one block too many, not twenty.
 *
 * A filter is the number of values of each bucket, four bits each, the even bucket in the low ones (one byte where there is one bucket), and
 * then the fingerprints, bucket after bucket, rising, two bytes each, low byte first. A bucket of more than 14 says 15, keeps none and holds any.
 *
 * The filters of one field of a segment are stored in slices: where a block has more than one bucket there are 64, slice `s` holding of each block the
 * buckets from s/64 to (s + 1)/64 of all, first the numbers of all blocks, then their fingerprints; a block of one bucket is in each. Otherwise
 * there is one slice. All are as long as the longest, filled up with zeros. So a look-up reads one slice, a 64th. Each
 * slice ends in the CRC-32C of what comes before, low byte first: a lost value would hide messages without a word.
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

const SLICES = 64
const CHECKSUM_BYTES = 4
/** Values of a block that one bucket takes: what four bits count, but for the last. */
const MOST_IN_BUCKET = 14
const FULL_BUCKET = 15
const VALUES_PER_BUCKET = 2
/** A slice holds whole bytes of the numbers of a block. */
const BUCKET_STEP = 2 * SLICES
/** Keeps the product with a 32-bit word exact; past it (2 million values in one block) buckets fill, and filters get less sharp. */
const MAX_BUCKETS = 1 << 20

/** The hash of a value: the bytes of a key or header value, the UTF-8 of an id. */
export const lookupHash = (value: Uint8Array): LookupHash => xxhash64(value)

/** In the filter of `header:<name>` where a message of the block has that header at all. */
export const presenceHash: LookupHash = { high: 0x4d69_6c6c, low: 0x706f_6e64 }

/** The same for the kernel, which takes 64 bits. */
export const presenceBits = (BigInt(presenceHash.high) << 32n) | BigInt(presenceHash.low)

/** Buckets of a filter for so many distinct values: 1 or a multiple of 128. */
export function bucketsFor(distinct: number): number {
  if (distinct <= MOST_IN_BUCKET) return 1
  return Math.min(MAX_BUCKETS, Math.ceil(distinct / VALUES_PER_BUCKET / BUCKET_STEP) * BUCKET_STEP)
}

/** Bytes of the numbers of so many buckets. */
const numberBytes = (buckets: number): number => Math.ceil(buckets / 2)

/** The filter over `count` hashes of 8 bytes each, which may repeat. */
export function buildFilter(field: LookupField, hashes: Uint8Array): BlockFilter {
  const count = hashes.byteLength / 8
  const most = bucketsFor(count)
  const room = numberBytes(most) + 2 * count
  return withDistinct(hashes, most * 4 + room + 2 * SLACK_BYTES, (kernel, distinct, free) => {
    const buckets = bucketsFor(distinct)
    const bits = free + buckets * 4 + SLACK_BYTES
    const bytes = kernel.exports.fillLookup(kernel.arenaStart, distinct, buckets, free, bits)
    return { field, buckets, bits: kernel.bytes.slice(bits, bits + bytes) }
  })
}

const BLOOM_BUCKET_BYTES = 32

/** A split-block Bloom filter of Parquet's over hashes of 8 bytes each; `buckets` tells its buckets of 32 bytes for so many distinct ones and never falls. */
export function bloomFilterOf(hashes: Uint8Array, buckets: (distinct: number) => number): Uint8Array {
  const room = buckets(hashes.byteLength / 8) * BLOOM_BUCKET_BYTES
  return withDistinct(hashes, room, (kernel, distinct, free) => {
    kernel.exports.fillFilter(kernel.arenaStart, distinct, free, buckets(distinct))
    return kernel.bytes.slice(free, free + buckets(distinct) * BLOOM_BUCKET_BYTES)
  })
}

/** Has the distinct ones of the hashes at the beginning of the kernel's arena, and `room` bytes behind them. */
function withDistinct<T>(hashes: Uint8Array, room: number, act: (kernel: Kernel, distinct: number, free: number) => T): T {
  const count = hashes.byteLength / 8
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)))
  return withKernel(hashes.byteLength + slots * 8 + room + 3 * SLACK_BYTES, (kernel: Kernel) => {
    const at = kernel.arenaStart
    const table = at + hashes.byteLength + SLACK_BYTES
    kernel.bytes.set(hashes, at)
    return act(kernel, kernel.exports.distinctHashes(at, count, table, slots), table + slots * 8 + SLACK_BYTES)
  })
}

/** Bytes of the fingerprints that belong to two numbers in a byte. */
const FINGERPRINT_BYTES = Uint8Array.from({ length: 256 }, (_, pair) => 2 * (keptOf(pair & 15) + keptOf(pair >> 4)))

function keptOf(number: number): number {
  return number === FULL_BUCKET ? 0 : number
}

/** Bytes of the fingerprints that belong to the numbers from `start` to before `end`. */
function fingerprintBytes(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0
  for (let at = start; at < end; at++) sum += FINGERPRINT_BYTES[bytes[at]!]!
  return sum
}

/** Bytes of the numbers of a block in each slice. */
const slicedNumberBytes = (buckets: number, slices: number): number => (buckets === 1 ? 1 : buckets / slices / 2)

/** The filters of one field, of all blocks of a segment in order, as they are stored; `offset` is what `lookup.offset` will be. */
export function assembleLookup(
  filters: readonly BlockFilter[],
  offset: number,
): { readonly lookup: SegmentLookup; readonly bytes: Uint8Array } {
  const slices = filters.some(({ buckets }) => buckets > 1) ? SLICES : 1
  const parts = filters.map((filter) => partsOf(filter, slices))
  let longest = 0
  for (let slice = 0; slice < slices; slice++) {
    const length = parts.reduce((sum, part) => sum + part[slice]!.numbers.byteLength + part[slice]!.fingerprints.byteLength, 0)
    longest = Math.max(longest, length)
  }
  const sliceBytes = longest + CHECKSUM_BYTES
  const bytes = new Uint8Array(slices * sliceBytes)
  const view = new DataView(bytes.buffer)
  for (let slice = 0; slice < slices; slice++) {
    const start = slice * sliceBytes
    let at = start
    for (const what of ['numbers', 'fingerprints'] as const) {
      for (const part of parts) {
        const piece = part[slice]![what]
        bytes.set(piece, at)
        at += piece.byteLength
      }
    }
    view.setUint32(start + longest, crc32c(bytes.subarray(start, start + longest)), true)
  }
  const { field } = filters[0]!
  return {
    lookup: { field, slices, buckets: filters.map(({ buckets }) => buckets), offset, bytes: bytes.byteLength },
    bytes,
  }
}

interface FilterPart {
  readonly numbers: Uint8Array
  readonly fingerprints: Uint8Array
}

/** What each slice holds of a filter. */
function partsOf({ buckets, bits }: BlockFilter, slices: number): FilterPart[] {
  const perSlice = slicedNumberBytes(buckets, slices)
  let at = numberBytes(buckets)
  if (buckets === 1)
    return Array.from({ length: slices }, () => ({ numbers: bits.subarray(0, 1), fingerprints: bits.subarray(1) }))
  return Array.from({ length: slices }, (_, slice) => {
    const numbers = bits.subarray(slice * perSlice, (slice + 1) * perSlice)
    const start = at
    at += fingerprintBytes(numbers, 0, numbers.byteLength)
    return { numbers, fingerprints: bits.subarray(start, at) }
  })
}

/**
 * The filters that `assembleLookup` was given, from all slices of a field.
 * @throws MillpondError `COMMIT_CORRUPT`.
 */
export function takeApartLookup(lookup: SegmentLookup, bytes: Uint8Array): BlockFilter[] {
  const { field, slices, buckets } = lookup
  const sliceBytes = bytes.byteLength / slices
  const parts: FilterPart[][] = buckets.map(() => [])
  for (let slice = 0; slice < slices; slice++) {
    const part = bytes.subarray(slice * sliceBytes, (slice + 1) * sliceBytes)
    checkSlice(lookup, part)
    for (const [ordinal, piece] of sliceParts(lookup, part).entries()) {
      if (slice === 0 || buckets[ordinal]! > 1) parts[ordinal]!.push(piece)
    }
  }
  return buckets.map((count, ordinal) => {
    const pieces = parts[ordinal]!
    return {
      field,
      buckets: count,
      bits: joined([...pieces.map(({ numbers }) => numbers), ...pieces.map(({ fingerprints }) => fingerprints)]),
    }
  })
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return bytes
}

/** What a slice holds of each block. */
function sliceParts(lookup: SegmentLookup, slice: Uint8Array): FilterPart[] {
  let numbersAt = 0
  let fingerprintsAt = allNumberBytes(lookup)
  return lookup.buckets.map((buckets) => {
    const numbers = slice.subarray(numbersAt, (numbersAt += slicedNumberBytes(buckets, lookup.slices)))
    const length = fingerprintBytes(numbers, 0, numbers.byteLength)
    return { numbers, fingerprints: slice.subarray(fingerprintsAt, (fingerprintsAt += length)) }
  })
}

/** Bytes of the numbers of all blocks in each slice. */
const allNumberBytes = ({ buckets, slices }: SegmentLookup): number =>
  buckets.reduce((sum, count) => sum + slicedNumberBytes(count, slices), 0)

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
  const bytes = lookup.bytes / lookup.slices
  if (slice.byteLength !== bytes) {
    throw new MillpondError('COMMIT_CORRUPT', `a part of its look-up filters has ${slice.byteLength} bytes, not ${bytes}`)
  }
  const filled = bytes - CHECKSUM_BYTES
  const expected = new DataView(slice.buffer, slice.byteOffset, bytes).getUint32(filled, true)
  if (crc32c(slice.subarray(0, filled)) !== expected) {
    throw new MillpondError('COMMIT_CORRUPT', 'a part of its look-up filters does not match its CRC-32C')
  }
}

/**
 * Ordinals of the blocks that may hold a value of that hash; `slice` holds the bytes that `sliceOf` named and passed `checkSlice`. Hot.
 * @throws MillpondError `COMMIT_CORRUPT` where there are not as many fingerprints as its numbers say.
 */
export function probeSlice(lookup: SegmentLookup, slice: Uint8Array, hash: LookupHash): number[] {
  const { buckets, slices } = lookup
  const sliceIndex = Math.floor((hash.high * slices) / 2 ** 32)
  const [low, high] = [hash.low & 0xff, (hash.low >>> 8) & 0xff]
  const ordinals: number[] = []
  let numbersAt = 0
  let at = allNumberBytes(lookup)
  for (let ordinal = 0; ordinal < buckets.length; ordinal++) {
    const count = buckets[ordinal]!
    const bucket = count === 1 ? 0 : Math.floor((hash.high * count) / 2 ** 32) - (sliceIndex * count) / slices
    const pairAt = numbersAt + (bucket >> 1)
    const end = numbersAt + slicedNumberBytes(count, slices)
    at += fingerprintBytes(slice, numbersAt, pairAt)
    const pair = slice[pairAt]!
    const isOdd = (bucket & 1) === 1
    const number = isOdd ? pair >> 4 : pair & 15
    let from = isOdd ? at + 2 * keptOf(pair & 15) : at
    let isHeld = number === FULL_BUCKET
    for (let left = keptOf(number); left > 0 && !isHeld; left--, from += 2)
      isHeld = slice[from] === low && slice[from + 1] === high
    if (isHeld) ordinals.push(ordinal)
    at += fingerprintBytes(slice, pairAt, end)
    numbersAt = end
  }
  if (at <= slice.byteLength - CHECKSUM_BYTES) return ordinals
  throw new MillpondError('COMMIT_CORRUPT', 'a part of its look-up filters is shorter than its numbers say')
}

/** Whether a filter of block `ordinal`, made again, is what the look-up holds; `bytes` are all those of the look-up, whose slices were checked. */
export function holdsFilter(lookup: SegmentLookup, bytes: Uint8Array, ordinal: number, filter: BlockFilter): boolean {
  if (lookup.buckets[ordinal] !== filter.buckets) return false
  const sliceBytes = lookup.bytes / lookup.slices
  return partsOf(filter, lookup.slices).every(({ numbers, fingerprints }, slice) => {
    const there = sliceParts(lookup, bytes.subarray(slice * sliceBytes, (slice + 1) * sliceBytes))[ordinal]!
    return isEqual(there.numbers, numbers) && isEqual(there.fingerprints, fingerprints)
  })
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
