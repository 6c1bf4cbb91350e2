import { headersOf, spansOf } from './columns'
import { xxhash64 } from './xxhash64'

/**
 * Split-block Bloom filter over 64-bit hashes: buckets of eight 32-bit words, one bit set in each. Source: Apache Parquet
 * format, BloomFilter.md.
 */
const SALTS: usize = memory.data<u32>([
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
])

// The hash before: many headers have the same value in message after message.
let lastHash: u64 = 0

/**
 * Writes to `out` the hashes of the values of one field of the rows `from` to `to - 1` that are not null; `column` is that of the
 * field's starts (0 key, 2 value, 4 id). Equal neighbours are written once. Gives their number.
 */
export function hashSpans(columns: usize, n: u32, from: u32, to: u32, column: u32, bytes: usize, out: usize): i32 {
  const starts = spansOf(columns, n, column)
  const ends = starts + (n << 2)
  let at = out
  for (let row = from; row < to; row++) {
    const start = load<i32>(starts + (row << 2))
    if (start == -1) continue
    const hash = xxhash64(bytes + start, load<i32>(ends + (row << 2)) - start)
    if (hash == lastHash && at > out) continue
    lastHash = hash
    store<u64>(at, hash)
    at += 8
  }
  return <i32>((at - out) >> 3)
}

/**
 * The same for the values of the header `name`, of those rows' headers; the hash `present` goes in front where a row has the header,
 * be its value null or not. `out` needs room for one hash more than there are headers.
 */
export function hashHeaders(
  columns: usize, n: u32, h: u32, from: u32, to: u32, name: usize, nameLength: u32, present: u64, bytes: usize, out: usize,
): i32 {
  const headerFrom = spansOf(columns, n, 6)
  const first = load<i32>(headerFrom)
  const nameStart = headersOf(columns, n, h, 0)
  const step = h << 2
  const end = <u32>(load<i32>(headerFrom + (to << 2)) - first)
  let at = out
  for (let header = <u32>(load<i32>(headerFrom + (from << 2)) - first); header < end; header++) {
    const spans = nameStart + (header << 2)
    const start = load<i32>(spans)
    if (<u32>(load<i32>(spans + step) - start) != nameLength || !equal(bytes + start, name, nameLength)) continue
    if (at == out) {
      store<u64>(at, present)
      at += 8
      lastHash = present
    }
    const value = load<i32>(spans + (step << 1))
    if (value == -1) continue
    const hash = xxhash64(bytes + value, load<i32>(spans + 3 * step) - value)
    if (hash == lastHash) continue
    lastHash = hash
    store<u64>(at, hash)
    at += 8
  }
  return <i32>((at - out) >> 3)
}

/** Whether two regions hold the same bytes. */
// @ts-ignore: decorator
@inline
function equal(a: usize, b: usize, length: u32): bool {
  let i: u32 = 0
  for (; i + 8 <= length; i += 8) if (load<u64>(a + i) != load<u64>(b + i)) return false
  for (; i < length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false
  return true
}

/** Moves the distinct ones of `count` hashes to the front; `table` is 8 bytes times `slots`, a power of two above `count`. */
export function distinctHashes(hashes: usize, count: u32, table: usize, slots: u32): i32 {
  memory.fill(table, 0, slots << 3)
  const mask = slots - 1
  let zeroSeen = false
  let distinct: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const hash = load<u64>(hashes + (i << 3))
    if (hash == 0) {
      // 0 marks a free slot.
      if (zeroSeen) continue
      zeroSeen = true
    } else {
      let slot = <u32>hash & mask
      let there = load<u64>(table + (slot << 3))
      while (there != 0 && there != hash) {
        slot = (slot + 1) & mask
        there = load<u64>(table + (slot << 3))
      }
      if (there == hash) continue
      store<u64>(table + (slot << 3), hash)
    }
    store<u64>(hashes + (distinct++ << 3), hash)
  }
  return <i32>distinct
}

/**
 * Writes the look-up filter over distinct hashes to `out`, whatever was there before: the numbers of all buckets, four bits each, then the
 * fingerprints, bucket after bucket, rising. `room` has 4 bytes a bucket. Gives the bytes that it took: half a byte a bucket and two a hash at the most.
 */
export function fillLookup(hashes: usize, count: u32, buckets: u32, room: usize, out: usize): i32 {
  memory.fill(room, 0, <usize>buckets << 2)
  const end = hashes + (<usize>count << 3)
  for (let at = hashes; at < end; at += 8) {
    const place = room + (<usize>((<u64>load<u32>(at, 4) * <u64>buckets) >> 32) << 2)
    store<u32>(place, load<u32>(place) + 1)
  }
  const numberBytes = (<usize>buckets + 1) >> 1
  memory.fill(out, 0, numberBytes)
  let next = out + numberBytes
  for (let bucket: u32 = 0; bucket < buckets; bucket++) {
    const place = room + (<usize>bucket << 2)
    const found = load<u32>(place)
    const number = out + (<usize>bucket >> 1)
    const kept: u32 = found > MOST_IN_BUCKET ? 0 : found
    store<u8>(number, load<u8>(number) | <u8>((found > MOST_IN_BUCKET ? MOST_IN_BUCKET + 1 : found) << ((bucket & 1) << 2)))
    // From now on: where the bucket's next fingerprint goes; 0 where it keeps none.
    store<u32>(place, kept == 0 ? 0 : <u32>next)
    next += <usize>kept << 1
  }
  for (let at = hashes; at < end; at += 8) {
    const place = room + (<usize>((<u64>load<u32>(at, 4) * <u64>buckets) >> 32) << 2)
    const to = load<u32>(place)
    if (to == 0) continue
    store<u16>(to, load<u16>(at))
    store<u32>(place, to + 2)
  }
  sortBuckets(out, buckets)
  return <i32>(next - out)
}

/** The most values that a bucket of a look-up filter keeps. */
const MOST_IN_BUCKET: u32 = 14

/** Puts the fingerprints of each bucket into their order: they are few, so each goes to its place among those before it. */
function sortBuckets(out: usize, buckets: u32): void {
  let start = out + ((<usize>buckets + 1) >> 1)
  for (let bucket: u32 = 0; bucket < buckets; bucket++) {
    const number = (<u32>load<u8>(out + (<usize>bucket >> 1)) >> ((bucket & 1) << 2)) & 15
    if (number > MOST_IN_BUCKET) continue
    const end = start + (<usize>number << 1)
    for (let at = start + 2; at < end; at += 2) {
      const value = load<u16>(at)
      let to = at
      while (to > start && load<u16>(to - 2) > value) {
        store<u16>(to, load<u16>(to - 2))
        to -= 2
      }
      store<u16>(to, value)
    }
    start = end
  }
}

/** Fills a filter of `buckets` times 32 bytes at `bits`, whatever was there before. */
export function fillFilter(hashes: usize, count: u32, bits: usize, buckets: u32): void {
  memory.fill(bits, 0, buckets << 5)
  for (let i: u32 = 0; i < count; i++) {
    const hash = load<u64>(hashes + (i << 3))
    const bucket = bits + (<usize>(((hash >> 32) * <u64>buckets) >> 32) << 5)
    const low = i32x4.splat(<i32>hash)
    v128.store(bucket, v128.or(v128.load(bucket), masks(low, 0)))
    v128.store(bucket, v128.or(v128.load(bucket, 16), masks(low, 16)), 16)
  }
}

/** One bit in each of four words: that which the top five bits of the word times its salt name. */
// @ts-ignore: decorator
@inline
function masks(low: v128, salt: usize): v128 {
  const bits = i32x4.shr_u(i32x4.mul(low, v128.load(SALTS + salt)), 27)
  // SIMD shifts all lanes by one amount; 2^k as a float is k + 127 in its exponent, and its whole part fits an unsigned word.
  return i32x4.trunc_sat_f32x4_u(i32x4.shl(i32x4.add(bits, i32x4.splat(127)), 23))
}
