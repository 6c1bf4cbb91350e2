import { copyShort } from './copy'
import { COLUMNS_INVALID, OUTPUT_FULL } from './errors'
import { xxhash64 } from './xxhash64'

/** Encodings of Parquet's pages. Source: Apache Parquet format 2.12, Encodings.md. */

/** Writes an unsigned number, 7 bits a byte, lowest first; gives the address behind it. */
// @ts-ignore: decorator
@inline
function writeUnsigned(at: usize, value: u64): usize {
  let rest = value
  while (rest >= 0x80) {
    store<u8>(at++, <u8>(rest | 0x80))
    rest >>= 7
  }
  store<u8>(at, <u8>rest)
  return at + 1
}

// @ts-ignore: decorator
@inline
function writeSigned(at: usize, value: i64): usize {
  return writeUnsigned(at, <u64>((value << 1) ^ (value >> 63)))
}

/** Writes `count` whole numbers, which are safe integers as f64, as INT64, each times `scale`, which is 1,000 at the most. */
export function plainNumbers(source: usize, count: u32, scale: u32, out: usize): void {
  for (let i: usize = 0; i < count; i++) store<i64>(out + (i << 3), <i64>load<f64>(source + (i << 3)) * <i64>scale)
}

/**
 * Writes the spans that are not null as BYTE_ARRAY: length and bytes of each. The columns must have passed `measureRows` or come from
 * `readRecords`; `bytes` is what they count from. Gives the length of all.
 */
export function plainSpans(starts: usize, ends: usize, count: u32, bytes: usize, out: usize): i32 {
  let at = out
  for (let i: usize = 0; i < count; i++) {
    const start = load<i32>(starts + (i << 2))
    if (start == -1) continue
    const length = <u32>(load<i32>(ends + (i << 2)) - start)
    store<u32>(at, length)
    copyShort(at + 4, bytes + start, length)
    at += 4 + length
  }
  return <i32>(at - out)
}

const BLOCK_VALUES: u32 = 128
const MINIBLOCK_VALUES: u32 = 32

/** Writes `count` INT64, one at the least, as DELTA_BINARY_PACKED. Gives the length: 512 bytes and 16 for each value at the most. */
export function packDeltas(source: usize, count: u32, out: usize): i32 {
  let at = writeUnsigned(out, BLOCK_VALUES)
  at = writeUnsigned(at, BLOCK_VALUES / MINIBLOCK_VALUES)
  at = writeUnsigned(at, count)
  at = writeSigned(at, load<i64>(source))
  for (let from: u32 = 1; from < count; from += BLOCK_VALUES) {
    const end = min(from + BLOCK_VALUES, count)
    let smallest = i64.MAX_VALUE
    for (let i = from; i < end; i++) smallest = min(smallest, deltaAt(source, i))
    at = writeSigned(at, smallest)
    const widths = at
    store<u32>(widths, 0)
    at += 4
    for (let first = from; first < end; first += MINIBLOCK_VALUES) {
      const last = min(first + MINIBLOCK_VALUES, end)
      let bits: u64 = 0
      for (let i = first; i < last; i++) bits |= <u64>(deltaAt(source, i) - smallest)
      const width = <u32>(64 - clz(bits))
      store<u8>(widths + (first - from) / MINIBLOCK_VALUES, <u8>width)
      at = packMiniblock(source, first, last, smallest, width, at)
    }
  }
  return <i32>(at - out)
}

// @ts-ignore: decorator
@inline
function deltaAt(source: usize, i: u32): i64 {
  const at = source + (<usize>i << 3)
  return load<i64>(at) - load<i64>(at - 8)
}

/** Deltas above `smallest` of the values `first` to `last - 1`, `width` bits each, lowest first, with zeros up to 32 of them. */
function packMiniblock(source: usize, first: u32, last: u32, smallest: i64, width: u32, out: usize): usize {
  if (width == 0) return out
  const end = out + 4 * width
  let at = out
  let buffer: u64 = 0
  let filled: u32 = 0
  for (let i = first; i < last; i++) {
    const value = <u64>(deltaAt(source, i) - smallest)
    buffer |= value << filled
    const taken = 64 - filled
    filled += width
    if (filled < 64) continue
    store<u64>(at, buffer)
    at += 8
    filled -= 64
    buffer = taken < 64 ? value >> taken : 0
  }
  while (at < end) {
    store<u32>(at, <u32>buffer)
    buffer >>= 32
    at += 4
  }
  return end
}

/** Writes `count` values of `width` bits, 1 to 32, as Parquet's hybrid of runs and packed groups of eight. */
// @ts-ignore: decorator
@inline
function packHybrid<T>(source: usize, count: u32, width: u32, out: usize): i32 {
  let at = out
  let from: u32 = 0
  let i: u32 = 0
  while (i < count) {
    const value = <u32>load<T>(source + <usize>i * sizeof<T>())
    let end = i + 1
    while (end < count && <u32>load<T>(source + <usize>end * sizeof<T>()) == value) end++
    // A packed group takes from the run what it lacks.
    const lacking = (from - i) & 7
    if (end - i >= 8 + lacking) {
      if (i + lacking > from) at = packGroups<T>(source, from, i + lacking, width, at)
      at = writeUnsigned(at, (<u64>(end - i - lacking)) << 1)
      for (let bytes = (width + 7) >> 3, rest = value; bytes > 0; bytes--, rest >>>= 8) store<u8>(at++, <u8>rest)
      from = end
    }
    i = end
  }
  if (count > from) at = packGroups<T>(source, from, count, width, at)
  return <i32>(at - out)
}

/** The values `from` to `to - 1` as groups of eight, the last one filled up with zeros. */
function packGroups<T>(source: usize, from: u32, to: u32, width: u32, out: usize): usize {
  const groups = (to - from + 7) >> 3
  let at = writeUnsigned(out, (<u64>groups << 1) | 1)
  const end = at + groups * width
  let buffer: u64 = 0
  let filled: u32 = 0
  for (let i = from; i < to; i++) {
    buffer |= <u64>(<u32>load<T>(source + <usize>i * sizeof<T>())) << filled
    filled += width
    if (filled < 32) continue
    store<u32>(at, <u32>buffer)
    at += 4
    buffer >>= 32
    filled -= 32
  }
  while (at < end) {
    store<u8>(at++, <u8>buffer)
    buffer >>= 8
  }
  return end
}

/** Levels of a byte each as runs and packed groups; `out` has room for 16 bytes and one for each level. */
export function packLevels(source: usize, count: u32, width: u32, out: usize): i32 {
  return packHybrid<u8>(source, count, width, out)
}

/** The same for indexes of 4 bytes; `out` has room for 16 bytes and five for each. */
export function packIndexes(source: usize, count: u32, width: u32, out: usize): i32 {
  return packHybrid<u32>(source, count, width, out)
}

/** Length of the value at `at`, what is in front of its bytes included; `size` is 0 for BYTE_ARRAY. */
// @ts-ignore: decorator
@inline
function valueBytes(at: usize, size: u32): u32 {
  return size == 0 ? load<u32>(at) + 4 : size
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

/**
 * Makes a dictionary of PLAIN values, of `size` bytes each or 0 for BYTE_ARRAY: writes the index of each to `indexes` (4 bytes), the distinct
 * ones in order to `dictionary`, and its length to `result`. `table` has `slots` times 4 bytes, a power of two, `places` 4 bytes for each of
 * `most`, fewer than `slots`. Gives the number of distinct values; OUTPUT_FULL where it passes `most`, or its length `mostBytes`.
 */
export function makeDictionary(
  source: usize, length: u32, size: u32, table: usize, slots: u32, places: usize, most: u32, mostBytes: u32, indexes: usize, dictionary: usize, result: usize,
): i32 {
  memory.fill(table, 0, slots << 2)
  const mask = slots - 1
  const end = source + length
  let at = source
  let next = indexes
  let distinct: u32 = 0
  let used: u32 = 0
  while (at < end) {
    const bytes = valueBytes(at, size)
    if (bytes > <u32>(end - at)) return COLUMNS_INVALID
    let slot = <u32>xxhash64(at, bytes) & mask
    let index: u32
    for (;;) {
      index = load<u32>(table + (<usize>slot << 2))
      if (index == 0) break
      const there = dictionary + load<u32>(places + (<usize>(index - 1) << 2))
      if (valueBytes(there, size) == bytes && equal(there, at, bytes)) break
      slot = (slot + 1) & mask
    }
    if (index == 0) {
      if (distinct == most || used + bytes > mostBytes) return OUTPUT_FULL
      store<u32>(places + (<usize>distinct << 2), used)
      copyShort(dictionary + used, at, bytes)
      used += bytes
      index = ++distinct
      store<u32>(table + (<usize>slot << 2), index)
    }
    store<u32>(next, index - 1)
    next += 4
    at += bytes
  }
  store<u32>(result, used)
  return <i32>distinct
}

/** Whether the bytes at `a` come before those at `b`, compared as unsigned bytes. */
// @ts-ignore: decorator
@inline
function isBefore(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  const length = min(aLength, bLength)
  let i: u32 = 0
  for (; i + 8 <= length; i += 8) {
    const x = load<u64>(a + i)
    const y = load<u64>(b + i)
    if (x != y) return bswap(x) < bswap(y)
  }
  for (; i < length; i++) {
    const x = load<u8>(a + i)
    const y = load<u8>(b + i)
    if (x != y) return x < y
  }
  return aLength < bLength
}

/** Finds the smallest and largest of PLAIN values of BYTE_ARRAY, one at the least; writes their offsets to `result` (u32, u32). */
export function boundsOfBytes(source: usize, length: u32, result: usize): i32 {
  const end = source + length
  let low = source
  let high = source
  let at = source
  while (at < end) {
    const bytes = load<u32>(at)
    if (<u64>bytes + 4 > <u64>(end - at)) return COLUMNS_INVALID
    if (isBefore(at + 4, bytes, low + 4, load<u32>(low))) low = at
    else if (isBefore(high + 4, load<u32>(high), at + 4, bytes)) high = at
    at += 4 + bytes
  }
  store<u32>(result, <u32>(low - source))
  store<u32>(result, <u32>(high - source), 4)
  return 0
}
