/** Snappy's framing format. Source: google/snappy, framing_format.txt (2013-10-25). */
import { crc32c } from './crc32c'
import { CHECKSUM_WRONG, FRAME_INVALID, LENGTH_INVALID, OUTPUT_FULL, TRUNCATED } from './errors'
import { snappyCompress, snappyDecompress, snappyLength } from './snappy'

/** What a chunk may hold at the most, uncompressed. */
const CHUNK_BYTES: u32 = 65_536
const HEAD_BYTES: u32 = 4
const CRC_BYTES: u32 = 4
const COMPRESSED: u32 = 0
const PLAIN: u32 = 1
/** Chunks from here on may be passed over, but for the identifier. */
const FIRST_SKIPPABLE: u32 = 0x80
const IDENTIFIER: u32 = 0xff
// `sNaPpY`
const NAME_LOW: u32 = 0x50_61_4e_73
const NAME_HIGH: u32 = 0x59_70

/** The checksum as the format has it: rotated, and moved by a constant. */
// @ts-ignore: decorator
@inline
function masked(start: usize, length: u32): u32 {
  return rotr<u32>(crc32c(0, start, length), 15) + 0xa282ead8
}

/**
 * Compresses as a whole stream: its identifier, then chunks of 64 KiB, each with its checksum, as they are where that is shorter. `out` needs room for
 * 64 + length + length / 6 bytes, and 32 for each chunk. Gives the length.
 */
export function snappyFrame(source: usize, length: u32, out: usize): i32 {
  let at = out
  store<u32>(at, 0x0000_06ff)
  store<u32>(at, NAME_LOW, 4)
  store<u16>(at, <u16>NAME_HIGH, 8)
  at += 10
  for (let done: u32 = 0; done < length; done += CHUNK_BYTES) {
    const from = source + done
    const size = min<u32>(CHUNK_BYTES, length - done)
    let bytes = <u32>snappyCompress(from, size, at + HEAD_BYTES + CRC_BYTES)
    let kind = COMPRESSED
    // As others do: less than an eighth saved is not worth its decompression.
    if (bytes >= size - size / 8) {
      memory.copy(at + HEAD_BYTES + CRC_BYTES, from, size)
      bytes = size
      kind = PLAIN
    }
    store<u32>(at, kind | ((bytes + CRC_BYTES) << 8))
    store<u32>(at, masked(from, size), HEAD_BYTES)
    at += HEAD_BYTES + CRC_BYTES + bytes
  }
  return <i32>(at - out)
}

/** How long the chunk at `p` is, or an error. */
// @ts-ignore: decorator
@inline
function chunkBytes(p: usize, end: usize): i32 {
  if (end - p < HEAD_BYTES) return TRUNCATED
  const bytes = load<u32>(p) >>> 8
  return bytes > <u32>(end - p - HEAD_BYTES) ? TRUNCATED : <i32>bytes
}

/** The length of what was compressed, as its chunks say; an error where they say nothing, or more than 2^31 - 1. */
export function snappyFramedLength(source: usize, length: u32): i32 {
  const end = source + length
  let total: u64 = 0
  for (let p = source; p < end; ) {
    const kind = <u32>load<u8>(p)
    const bytes = chunkBytes(p, end)
    if (bytes < 0) return bytes
    const content = p + HEAD_BYTES
    if (p == source && kind != IDENTIFIER) return FRAME_INVALID
    if (kind == COMPRESSED || kind == PLAIN) {
      if (<u32>bytes < CRC_BYTES) return TRUNCATED
      const size = kind == PLAIN ? bytes - <i32>CRC_BYTES : snappyLength(content + CRC_BYTES, <u32>bytes - CRC_BYTES)
      if (size < 0) return size
      if (<u32>size > CHUNK_BYTES) return LENGTH_INVALID
      total += size
    } else if (kind == IDENTIFIER) {
      if (bytes != 6 || load<u32>(content) != NAME_LOW || load<u16>(content, 4) != NAME_HIGH) return FRAME_INVALID
    } else if (kind < FIRST_SKIPPABLE) return FRAME_INVALID
    p = content + bytes
  }
  return total > 0x7fffffff ? LENGTH_INVALID : <i32>total
}

/** Decompresses what `snappyFramedLength` has looked through, to `out`, which has room for `outLength` bytes. Gives `outLength` or an error. */
export function snappyUnframe(source: usize, length: u32, out: usize, outLength: u32): i32 {
  const end = source + length
  let at = out
  for (let p = source; p < end; ) {
    const kind = <u32>load<u8>(p)
    const bytes = <u32>chunkBytes(p, end)
    const content = p + HEAD_BYTES
    p = content + bytes
    if (kind != COMPRESSED && kind != PLAIN) continue
    const room = outLength - <u32>(at - out)
    const stored = bytes - CRC_BYTES
    let size = stored
    if (kind == PLAIN) {
      if (size > room) return OUTPUT_FULL
      memory.copy(at, content + CRC_BYTES, size)
    } else {
      size = <u32>snappyLength(content + CRC_BYTES, stored)
      if (size > room) return OUTPUT_FULL
      const result = snappyDecompress(content + CRC_BYTES, stored, at, size)
      if (result < 0) return result
    }
    if (masked(at, size) != load<u32>(content)) return CHECKSUM_WRONG
    at += size
  }
  return at == out + outLength ? <i32>outLength : TRUNCATED
}
