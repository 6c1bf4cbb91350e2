import { MATCH_TABLE as TABLE } from './arena'
import { copyShort } from './copy'
import { COPY_INVALID, OUTPUT_FULL, TRUNCATED } from './errors'

/** LZ4's block format. Source: lz4/lz4, doc/lz4_Block_format.md (2022-08). */
const MIN_MATCH: u32 = 4
/** The last bytes of a block are literals, and no match begins in the last twelve. */
const LAST_LITERALS: u32 = 5
const MATCH_MARGIN: u32 = 12
const TABLE_BITS: u32 = 14
/** Bytes of a block that `lz4CompressBlocks` writes: what Java's producer uses, and as far back as a match can reach. */
export const BLOCK_BYTES: u32 = 65536
/** Marks a block that is not compressed. Source: lz4_Frame_format.md, "Block Size". */
export const STORED: u32 = 0x80000000

/** For each distance below 16, where the 16 bytes of a repetition come from; and by how many bytes it then may go on. */
const patterns: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
  0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
  0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
  0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
])
const strides: usize = memory.data<u8>([0, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15])

// @ts-ignore: decorator
@inline
function copyMatch(at: usize, offset: u32, length: u32): void {
  const end = at + length
  if (offset >= 16) {
    // 16 bytes at once never reach into what they write.
    do {
      v128.store(at, v128.load(at - offset))
      at += 16
    } while (at < end)
    return
  }
  const pattern = i8x16.swizzle(v128.load(at - offset), v128.load(patterns + (offset << 4)))
  const stride = <usize>load<u8>(strides + offset)
  do {
    v128.store(at, pattern)
    at += stride
  } while (at < end)
}

/**
 * Decompresses one block to `out`, where `outEnd` is the end of the room; matches may reach back to `window`, at or before `out`.
 * Gives the address behind the output, or an error as a negative number.
 */
export function lz4Block(source: usize, length: u32, window: usize, out: usize, outEnd: usize): i64 {
  const end = source + length
  let p = source
  let at = out
  while (true) {
    if (p >= end) return TRUNCATED
    const token = <u32>load<u8>(p++)
    let size = token >>> 4
    if (size == 15) {
      let more: u32
      do {
        if (p >= end) return TRUNCATED
        more = <u32>load<u8>(p++)
        size += more
        // Checked as it grows: a long row of 255 would pass 2^32.
        if (size > <u32>(outEnd - at)) return OUTPUT_FULL
      } while (more == 255)
    }
    if (size > <u32>(end - p)) return TRUNCATED
    if (size > <u32>(outEnd - at)) return OUTPUT_FULL
    v128.store(at, v128.load(p))
    if (size > 16) copyShort(at + 16, p + 16, size - 16)
    p += size
    at += size
    if (p == end) return <i64>at
    if (<u32>(end - p) < 2) return TRUNCATED
    const offset = <u32>load<u16>(p)
    p += 2
    if (offset == 0 || offset > <u32>(at - window)) return COPY_INVALID
    size = (token & 15) + MIN_MATCH
    if (size == 15 + MIN_MATCH) {
      let more: u32
      do {
        if (p >= end) return TRUNCATED
        more = <u32>load<u8>(p++)
        size += more
        if (size > <u32>(outEnd - at)) return OUTPUT_FULL
      } while (more == 255)
    }
    if (size > <u32>(outEnd - at)) return OUTPUT_FULL
    copyMatch(at, offset, size)
    at += size
  }
}

/** Offset of the table's slot for the five bytes at `p`. */
// @ts-ignore: decorator
@inline
function slotOf(p: usize): usize {
  return TABLE + (<usize>(((load<u64>(p) << 24) * 0xcf1bbcdcbb) >> (64 - TABLE_BITS)) << 1)
}

/** Writes what of a length does not fit into its half of the token. */
// @ts-ignore: decorator
@inline
function writeMore(at: usize, rest: u32): usize {
  while (rest >= 255) {
    store<u8>(at++, 255)
    rest -= 255
  }
  store<u8>(at, <u8>rest)
  return at + 1
}

// @ts-ignore: decorator
@inline
function writeLiterals(at: usize, literals: usize, length: u32, matchBits: u32): usize {
  if (length < 15) {
    store<u8>(at, <u8>((length << 4) | matchBits))
    v128.store(at + 1, v128.load(literals))
    return at + 1 + length
  }
  store<u8>(at, <u8>(0xf0 | matchBits))
  at = writeMore(at + 1, length - 15)
  copyShort(at, literals, length)
  return at + length
}

/** How many bytes from `p` on equal those from `candidate` on, up to `end`. */
// @ts-ignore: decorator
@inline
function matchLength(p: usize, candidate: usize, end: usize): u32 {
  let matched: u32 = 0
  while (p + matched + 8 <= end) {
    const difference = load<u64>(p + matched) ^ load<u64>(candidate + matched)
    if (difference != 0) return matched + <u32>(ctz(difference) >> 3)
    matched += 8
  }
  while (p + matched < end && load<u8>(p + matched) == load<u8>(candidate + matched)) matched++
  return matched
}

/** Compresses at most `BLOCK_BYTES` as one block; gives the address behind it. */
function compressBlock(start: usize, length: u32, out: usize): usize {
  const end = start + length
  let at = out
  let literals = start
  if (length > MATCH_MARGIN) {
    memory.fill(TABLE, 0, 2 << TABLE_BITS)
    const last = end - MATCH_MARGIN
    const matchEnd = end - LAST_LITERALS
    let p = start + 1
    let misses: u32 = 64
    while (p <= last) {
      const slot = slotOf(p)
      let candidate = start + <usize>load<u16>(slot)
      store<u16>(slot, <u16>(p - start))
      if (load<u32>(candidate) != load<u32>(p)) {
        // Looks less and less closely at what does not compress.
        p += misses++ >>> 6
        continue
      }
      let matched = MIN_MATCH + matchLength(p + MIN_MATCH, candidate + MIN_MATCH, matchEnd)
      while (p > literals && candidate > start && load<u8>(p - 1) == load<u8>(candidate - 1)) {
        p--
        candidate--
        matched++
      }
      const rest = matched - MIN_MATCH
      at = writeLiterals(at, literals, <u32>(p - literals), min<u32>(rest, 15))
      store<u16>(at, <u16>(p - candidate))
      at += 2
      if (rest >= 15) at = writeMore(at, rest - 15)
      p += matched
      literals = p
      misses = 64
      if (p <= last) store<u16>(slotOf(p - 2), <u16>(p - 2 - start))
    }
  }
  return writeLiterals(at, literals, <u32>(end - literals), 0)
}

/**
 * Compresses to the blocks of a frame, each independent and of at most `BLOCK_BYTES`; frame header and end mark are the caller's. `out`
 * needs room for length + length / 128 + 64 bytes. Gives the length of the blocks.
 */
export function lz4CompressBlocks(source: usize, length: u32, out: usize): i32 {
  let at = out
  for (let done: u32 = 0; done < length; ) {
    const size = min<u32>(BLOCK_BYTES, length - done)
    const start = source + done
    let end = compressBlock(start, size, at + 4)
    if (<u32>(end - at - 4) < size) {
      store<u32>(at, <u32>(end - at - 4))
    } else {
      store<u32>(at, size | STORED)
      memory.copy(at + 4, start, size)
      end = at + 4 + size
    }
    at = end
    done += size
  }
  return <i32>(at - out)
}
