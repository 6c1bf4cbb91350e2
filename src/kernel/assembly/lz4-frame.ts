import { CHECKSUM_WRONG, FRAME_INVALID, LENGTH_INVALID, OUTPUT_FULL, TRUNCATED } from './errors'
import { lz4Block, STORED } from './lz4'
import { xxhash32 } from './xxhash32'

/** LZ4's frame format, without dictionaries. Source: lz4/lz4, doc/lz4_Frame_format.md 1.6.4. */
const MAGIC: u32 = 0x184d2204
const SKIPPABLE: u32 = 0x184d2a50
const INDEPENDENT: u32 = 0x20
const BLOCK_CHECKSUM: u32 = 0x10
const CONTENT_SIZE: u32 = 0x08
const CONTENT_CHECKSUM: u32 = 0x04
/** Version 1; no reserved bit, no dictionary. */
const FLAGS_MASK: u32 = 0xc3
const FLAGS_FIXED: u32 = 0x40

// What `readHeader` found: module variables, for AssemblyScript returns one value only.
let flags: u32 = 0
let maxBlock: u32 = 0
let contentSize: u64 = 0

/** Reads the header of a frame at `p`, which may be a skippable one: then `maxBlock` is 0 and all of it is read. Gives its length or an error. */
function readHeader(p: usize, end: usize): i32 {
  const left = <u32>(end - p)
  if (left < 7) return TRUNCATED
  const magic = load<u32>(p)
  maxBlock = 0
  if ((magic & 0xfffffff0) == SKIPPABLE) {
    if (left < 8) return TRUNCATED
    const size = load<u32>(p, 4)
    return size > left - 8 ? TRUNCATED : <i32>(size + 8)
  }
  if (magic != MAGIC) return FRAME_INVALID
  flags = <u32>load<u8>(p, 4)
  const descriptor = <u32>load<u8>(p, 5)
  if ((flags & FLAGS_MASK) != FLAGS_FIXED || (descriptor & 0x8f) != 0 || descriptor < 0x40) return FRAME_INVALID
  let length: u32 = 2
  if ((flags & CONTENT_SIZE) != 0) {
    if (left < 15) return TRUNCATED
    contentSize = load<u64>(p, 6)
    length = 10
  }
  if (<u32>load<u8>(p + 4 + length) != ((xxhash32(p + 4, length) >>> 8) & 0xff)) return CHECKSUM_WRONG
  maxBlock = 1 << (8 + ((descriptor >>> 4) << 1))
  return <i32>(length + 5)
}

/** The most that the frames can decompress to, at most 2^31 - 1; an error where they are not whole. */
export function lz4Bound(source: usize, length: u32): i32 {
  const end = source + length
  let p = source
  let total: u64 = 0
  while (p < end) {
    const header = readHeader(p, end)
    if (header < 0) return header
    p += header
    if (maxBlock == 0) continue
    const trailer: u32 = (flags & BLOCK_CHECKSUM) != 0 ? 4 : 0
    while (true) {
      if (<u32>(end - p) < 4) return TRUNCATED
      const word = load<u32>(p)
      p += 4
      if (word == 0) break
      const size = word & ~STORED
      if (size > maxBlock) return LENGTH_INVALID
      // No byte of a block stands for more than 255.
      total += word & STORED ? size : min<u64>(maxBlock, <u64>size * 255)
      if (size + trailer > <u32>(end - p)) return TRUNCATED
      p += size + trailer
    }
    if ((flags & CONTENT_CHECKSUM) != 0) {
      if (<u32>(end - p) < 4) return TRUNCATED
      p += 4
    }
  }
  return <i32>min<u64>(total, 0x7fffffff)
}

/**
 * Decompresses frames that passed `lz4Bound` to `out`, which has room for `room` bytes. Gives the length of what came out or an
 * error; OUTPUT_FULL where that is more.
 */
export function lz4Decompress(source: usize, length: u32, out: usize, room: u32): i32 {
  const end = source + length
  const outEnd = out + room
  let p = source
  let at = out
  while (p < end) {
    const header = readHeader(p, end)
    if (header < 0) return header
    p += header
    if (maxBlock == 0) continue
    const frame = at
    while (true) {
      const word = load<u32>(p)
      p += 4
      if (word == 0) break
      const size = word & ~STORED
      if ((flags & BLOCK_CHECKSUM) != 0 && load<u32>(p + size) != xxhash32(p, size)) return CHECKSUM_WRONG
      if (word & STORED) {
        if (size > <u32>(outEnd - at)) return OUTPUT_FULL
        memory.copy(at, p, size)
        at += size
      } else {
        const blockEnd = min<usize>(outEnd, at + maxBlock)
        const reached = lz4Block(p, size, (flags & INDEPENDENT) != 0 ? at : frame, at, blockEnd)
        if (reached < 0) return reached == OUTPUT_FULL && blockEnd != outEnd ? LENGTH_INVALID : <i32>reached
        at = <usize>reached
      }
      p += (flags & BLOCK_CHECKSUM) != 0 ? size + 4 : size
    }
    if ((flags & CONTENT_SIZE) != 0 && contentSize != <u64>(at - frame)) return LENGTH_INVALID
    if ((flags & CONTENT_CHECKSUM) != 0) {
      if (load<u32>(p) != xxhash32(frame, <u32>(at - frame))) return CHECKSUM_WRONG
      p += 4
    }
  }
  return <i32>(at - out)
}
