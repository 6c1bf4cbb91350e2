import { MATCH_TABLE as TABLE } from './arena'
import { copyShort } from './copy'
import { COPY_INVALID, LENGTH_INVALID, TRUNCATED } from './errors'

/** Snappy's block format. Source: google/snappy, format_description.txt (2011-10-05). */
const FRAGMENT_BYTES: u32 = 65536
const TABLE_BITS: u32 = 14

/** Offset of the table's slot for four bytes. */
// @ts-ignore: decorator
@inline
function hashOf(word: u32): usize {
  return <usize>((word * 0x1e35a7bd) >>> (32 - TABLE_BITS)) << 1
}

function writeLiteral(at: usize, source: usize, length: u32): usize {
  const n = length - 1
  if (n < 60) {
    store<u8>(at++, <u8>(n << 2))
  } else if (n < 256) {
    store<u8>(at, 60 << 2)
    store<u8>(at, <u8>n, 1)
    at += 2
  } else {
    // A fragment has 64 KiB, so two bytes hold any length.
    store<u8>(at, 61 << 2)
    store<u16>(at, <u16>n, 1)
    at += 3
  }
  copyShort(at, source, length)
  return at + length
}

function writeCopy(at: usize, offset: u32, length: u32): usize {
  while (length >= 68) {
    store<u8>(at, (63 << 2) | 2)
    store<u16>(at, <u16>offset, 1)
    at += 3
    length -= 64
  }
  if (length > 64) {
    // Leaves at least 4 for the last copy, so that it may take the short form.
    store<u8>(at, (59 << 2) | 2)
    store<u16>(at, <u16>offset, 1)
    at += 3
    length -= 60
  }
  if (length >= 12 || offset >= 2048) {
    store<u8>(at, <u8>(((length - 1) << 2) | 2))
    store<u16>(at, <u16>offset, 1)
    return at + 3
  }
  store<u8>(at, <u8>(((offset >>> 8) << 5) | ((length - 4) << 2) | 1))
  store<u8>(at, <u8>offset, 1)
  return at + 2
}

/** Compresses; `out` needs room for 32 + length + length / 6 bytes. Gives the compressed length. */
export function snappyCompress(source: usize, length: u32, out: usize): i32 {
  let at = out
  let rest = length
  while (rest >= 0x80) {
    store<u8>(at++, <u8>(rest | 0x80))
    rest >>>= 7
  }
  store<u8>(at++, <u8>rest)
  for (let done: u32 = 0; done < length; ) {
    const size = min<u32>(FRAGMENT_BYTES, length - done)
    at = compressFragment(source + done, size, at)
    done += size
  }
  return <i32>(at - out)
}

function compressFragment(start: usize, length: u32, out: usize): usize {
  const end = start + length
  let at = out
  let literal = start
  if (length >= 16) {
    memory.fill(TABLE, 0, 2 << TABLE_BITS)
    const last = end - 15
    let p = start + 1
    let misses: u32 = 32
    while (p < last) {
      const word = load<u32>(p)
      const slot = TABLE + hashOf(word)
      const candidate = start + <usize>load<u16>(slot)
      store<u16>(slot, <u16>(p - start))
      if (load<u32>(candidate) != word) {
        // Looks less and less closely at what does not compress.
        p += misses++ >>> 5
        continue
      }
      if (p > literal) at = writeLiteral(at, literal, <u32>(p - literal))
      let matched: u32 = 4
      const offset = <u32>(p - candidate)
      while (p + matched + 8 <= end) {
        const difference = load<u64>(p + matched) ^ load<u64>(candidate + matched)
        if (difference != 0) {
          matched += <u32>(ctz(difference) >> 3)
          break
        }
        matched += 8
      }
      if (p + matched + 8 > end) while (p + matched < end && load<u8>(p + matched) == load<u8>(candidate + matched)) matched++
      at = writeCopy(at, offset, matched)
      p += matched
      literal = p
      misses = 32
      if (p < last) store<u16>(TABLE + hashOf(load<u32>(p - 1)), <u16>(p - 1 - start))
    }
  }
  if (literal < end) at = writeLiteral(at, literal, <u32>(end - literal))
  return at
}

/** The length of what was compressed, as its first bytes say; an error where they say nothing or more than 2^31 - 1. */
export function snappyLength(source: usize, length: u32): i32 {
  let value: u64 = 0
  for (let i: u32 = 0; i < 5; i++) {
    if (i >= length) return TRUNCATED
    const byte = <u64>load<u8>(source + i)
    value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) return value > 0x7fffffff ? LENGTH_INVALID : <i32>value
  }
  return LENGTH_INVALID
}

/** Decompresses to `out`, which has room for exactly `outLength` bytes, as `snappyLength` gave them. Gives `outLength` or an error. */
export function snappyDecompress(source: usize, length: u32, out: usize, outLength: u32): i32 {
  const end = source + length
  const outEnd = out + outLength
  let p = source
  while (load<u8>(p++) >= 0x80) {}
  let at = out
  while (p < end) {
    const tag = <u32>load<u8>(p++)
    const left = <u32>(end - p)
    let size: u32
    if ((tag & 3) == 0) {
      size = tag >>> 2
      if (size >= 60) {
        const extra = size - 59
        if (left < extra) return TRUNCATED
        size = load<u32>(p) & (0xffffffff >>> (32 - 8 * extra))
        p += extra
      }
      // Compared before 1 is added: 2^32 - 1 would become 0.
      if (size >= <u32>(end - p)) return TRUNCATED
      if (size >= <u32>(outEnd - at)) return LENGTH_INVALID
      size++
      if (size <= 16 && <u32>(outEnd - at) >= 16) v128.store(at, v128.load(p))
      else memory.copy(at, p, size)
      p += size
      at += size
      continue
    }
    let offset: u32
    if ((tag & 3) == 1) {
      if (left < 1) return TRUNCATED
      size = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | <u32>load<u8>(p)
      p += 1
    } else if ((tag & 3) == 2) {
      if (left < 2) return TRUNCATED
      size = (tag >>> 2) + 1
      offset = <u32>load<u16>(p)
      p += 2
    } else {
      if (left < 4) return TRUNCATED
      size = (tag >>> 2) + 1
      offset = load<u32>(p)
      p += 4
    }
    if (offset == 0 || offset > <u32>(at - out)) return COPY_INVALID
    if (size > <u32>(outEnd - at)) return LENGTH_INVALID
    const from = at - offset
    if (offset >= 16 && <u32>(outEnd - at) >= 64) {
      // At most 64 bytes, and 16 at once never reach into what they write.
      copyShort(at, from, size)
    } else {
      for (let i: u32 = 0; i < size; i++) store<u8>(at + i, load<u8>(from + i))
    }
    at += size
  }
  return at == outEnd ? <i32>outLength : TRUNCATED
}
