import { FRAME_INVALID, TRAILING_BYTES, TRUNCATED, UNSAFE_INTEGER, VARINT_TOO_LONG } from './errors'

const SAFE: i64 = 9007199254740991

// The reading place, the end, and the first fault: module variables, for AssemblyScript returns one value only.
let cursor: usize = 0
let limit: usize = 0
let fault: i32 = 0

function readUnsigned(): u64 {
  let value: u64 = 0
  for (let shift: u32 = 0; shift < 70; shift += 7) {
    if (cursor >= limit) {
      fault = TRUNCATED
      return 0
    }
    const byte = <u64>load<u8>(cursor++)
    value |= (byte & 0x7f) << shift
    if (byte >= 0x80) continue
    // The tenth byte holds the 64th bit alone.
    if (shift == 63 && byte > 1) break
    return value
  }
  fault = VARINT_TOO_LONG
  return 0
}

// @ts-ignore: decorator
@inline
function readSigned(): i64 {
  const value = readUnsigned()
  return <i64>(value >> 1) ^ -(<i64>(value & 1))
}

// @ts-ignore: decorator
@inline
function storeScaled(value: i64, scale: u32, out: usize): i32 {
  const number = scale == 1 ? value : value / <i64>scale
  if (number > SAFE || number < -SAFE) return UNSAFE_INTEGER
  if (scale != 1 && number * <i64>scale != value) return FRAME_INVALID
  store<f64>(out, <f64>number)
  return 0
}

/**
 * Reads DELTA_BINARY_PACKED numbers, which must be `count` safe integers times `scale`, one at the least, and all that the `length` bytes at
 * `source` hold, as f64 without the scale. Gives 0 or an error. Source: Apache Parquet format 2.12, Encodings.md.
 */
export function readDeltas(source: usize, length: u32, count: u32, scale: u32, out: usize): i32 {
  cursor = source
  limit = source + length
  fault = 0
  const blockValues = readUnsigned()
  const miniblocks = readUnsigned()
  const total = readUnsigned()
  let value = readSigned()
  if (fault != 0) return fault
  if (total != count || miniblocks == 0 || miniblocks > 256 || blockValues > 65536 || blockValues % 128 != 0) return FRAME_INVALID
  const values = <u32>(blockValues / miniblocks)
  if (values == 0 || values % 32 != 0) return FRAME_INVALID
  const first = storeScaled(value, scale, out)
  if (first != 0) return first
  let i: u32 = 1
  while (i < count) {
    const smallest = readSigned()
    const widths = cursor
    cursor += <usize>miniblocks
    if (fault != 0 || cursor > limit) return TRUNCATED
    for (let mini: usize = 0; mini < <usize>miniblocks && i < count; mini++) {
      const width = <u32>load<u8>(widths + mini)
      if (width > 64) return FRAME_INVALID
      const bytes = <usize>((values >> 3) * width)
      if (bytes > limit - cursor) return TRUNCATED
      for (let n: u32 = 0; n < values && i < count; n++) {
        value += smallest + <i64>bitsAt(cursor, n * width, width)
        const stored = storeScaled(value, scale, out + (<usize>(i++) << 3))
        if (stored != 0) return stored
      }
      cursor += bytes
    }
  }
  return cursor == limit ? 0 : TRAILING_BYTES
}

/** `width` bits from bit `at` on; up to 16 bytes behind may be read. */
// @ts-ignore: decorator
@inline
function bitsAt(source: usize, at: u32, width: u32): u64 {
  if (width == 0) return 0
  const from = source + (at >> 3)
  const shift = <u64>(at & 7)
  let value = load<u64>(from) >> shift
  if (shift + width > 64) value |= (<u64>load<u8>(from, 8)) << (64 - shift)
  return width == 64 ? value : value & ((<u64>1 << width) - 1)
}

/**
 * Reads `count` values of `width` bits, 0 to 32, of Parquet's hybrid of runs and packed groups, from the `length` bytes at `source` to `out`, 4
 * bytes each. Gives the bytes that were read, or an error.
 */
export function readHybrid(source: usize, length: u32, width: u32, count: u32, out: usize): i32 {
  cursor = source
  limit = source + length
  fault = 0
  let i: u32 = 0
  while (i < count) {
    const head = readUnsigned()
    if (fault != 0) return fault
    if ((head & 1) == 0) {
      const bytes = <usize>((width + 7) >> 3)
      if (bytes > limit - cursor) return TRUNCATED
      const run = min(head >> 1, <u64>(count - i))
      if (run == 0) return FRAME_INVALID
      const value = <u32>bitsAt(cursor, 0, width)
      for (const end = i + <u32>run; i < end; i++) store<u32>(out + (<usize>i << 2), value)
      cursor += bytes
      continue
    }
    const groups = head >> 1
    if (groups == 0) return FRAME_INVALID
    // Checked before it is multiplied.
    if (groups > <u64>(limit - cursor) + 1 || groups * width > <u64>(limit - cursor)) return TRUNCATED
    const end = <u32>min(groups << 3, <u64>(count - i)) + i
    for (let n: u32 = 0; i < end; n++, i++) store<u32>(out + (<usize>i << 2), <u32>bitsAt(cursor + <usize>n / 8 * width, (n & 7) * width, width))
    cursor += <usize>(groups * width)
  }
  return <i32>(cursor - source)
}
