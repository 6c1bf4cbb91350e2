import { LENGTH_INVALID, OUTPUT_FULL, TRUNCATED } from './errors'
import { snappyCompress, snappyDecompress, snappyLength } from './snappy'

/**
 * Snappy as Kafka's clients write it: Java's in chunks behind a header, each with its length, high byte first; others as one piece
 * without any framing. Source: xerial/snappy-java 1.1.10, `SnappyOutputStream` and `SnappyInputStream`.
 */
const MAGIC: u64 = 0x595050414e5382
/** Magic, version and compatible version. */
const HEADER_BYTES: u32 = 16
const CHUNK_BYTES: u32 = 65536
/** No element of snappy gives more than 64 bytes for its two or more. */
const MAX_RATIO: u64 = 32

// @ts-ignore: decorator
@inline
function isHeader(p: usize, end: usize): bool {
  return <u32>(end - p) >= HEADER_BYTES && load<u64>(p) == MAGIC
}

/** Length of the snappy data at `p`, as far as it can be believed. */
function believable(p: usize, length: u32): i32 {
  const size = snappyLength(p, length)
  return size > 0 && <u64>size > <u64>length * MAX_RATIO ? LENGTH_INVALID : size
}

/** How many bytes come out, at most 2^31 - 1; an error where the framing is wrong. */
export function xerialBound(source: usize, length: u32): i32 {
  const end = source + length
  if (!isHeader(source, end)) return believable(source, length)
  let p = source
  let total: u64 = 0
  while (p < end) {
    // Streams that were put together have headers in between.
    if (isHeader(p, end)) {
      p += HEADER_BYTES
      continue
    }
    if (<u32>(end - p) < 4) return TRUNCATED
    const size = bswap<u32>(load<u32>(p))
    p += 4
    if (size > <u32>(end - p)) return TRUNCATED
    const out = believable(p, size)
    if (out < 0) return out
    total += out
    p += size
  }
  return <i32>min<u64>(total, 0x7fffffff)
}

/** Decompresses what passed `xerialBound` to `out`, which has room for `room` bytes. Gives the length of what came out or an error. */
export function xerialDecompress(source: usize, length: u32, out: usize, room: u32): i32 {
  const end = source + length
  if (!isHeader(source, end)) {
    const size = snappyLength(source, length)
    return <u32>size > room ? OUTPUT_FULL : snappyDecompress(source, length, out, size)
  }
  let p = source
  let at = out
  while (p < end) {
    if (isHeader(p, end)) {
      p += HEADER_BYTES
      continue
    }
    const stored = bswap<u32>(load<u32>(p))
    p += 4
    const size = snappyLength(p, stored)
    if (<u32>size > room - <u32>(at - out)) return OUTPUT_FULL
    const result = snappyDecompress(p, stored, at, size)
    if (result < 0) return result
    at += size
    p += stored
  }
  return <i32>(at - out)
}

/** Compresses to chunks of a stream. `out` needs room for length + length / 6 + length / 1024 + 64 bytes. Gives their length. */
export function xerialCompress(source: usize, length: u32, out: usize): i32 {
  let at = out
  for (let done: u32 = 0; done < length; ) {
    const size = min<u32>(CHUNK_BYTES, length - done)
    const stored = snappyCompress(source + done, size, at + 4)
    store<u32>(at, bswap<u32>(stored))
    at += 4 + stored
    done += size
  }
  return <i32>(at - out)
}
