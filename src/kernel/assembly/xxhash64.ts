/** XXH64 with seed 0. Source: xxHash specification 0.1.1, "XXH64 algorithm description"; it is what Parquet's filters use. */
const P1: u64 = 0x9e3779b185ebca87
const P2: u64 = 0xc2b2ae3d27d4eb4f
const P3: u64 = 0x165667b19e3779f9
const P4: u64 = 0x85ebca77c2b2ae63
const P5: u64 = 0x27d4eb2f165667c5

// @ts-ignore: decorator
@inline
function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * P2, 31) * P1
}

// @ts-ignore: decorator
@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * P1 + P4
}

/** The hash of `length` bytes. */
export function xxhash64(start: usize, length: u32): u64 {
  let p = start
  let left = length
  let hash: u64
  if (left >= 32) {
    let a = P1 + P2
    let b = P2
    let c: u64 = 0
    let d: u64 = 0 - P1
    do {
      a = round(a, load<u64>(p))
      b = round(b, load<u64>(p, 8))
      c = round(c, load<u64>(p, 16))
      d = round(d, load<u64>(p, 24))
      p += 32
      left -= 32
    } while (left >= 32)
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18)
    hash = merge(merge(merge(merge(hash, a), b), c), d)
  } else {
    hash = P5
  }
  hash += <u64>length
  while (left >= 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(p)), 27) * P1 + P4
    p += 8
    left -= 8
  }
  if (left >= 4) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(p) * P1), 23) * P2 + P3
    p += 4
    left -= 4
  }
  while (left > 0) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(p) * P5), 11) * P1
    p++
    left--
  }
  hash = (hash ^ (hash >> 33)) * P2
  hash = (hash ^ (hash >> 29)) * P3
  return hash ^ (hash >> 32)
}

/** Writes the hash of `length` bytes to `out`: low word, high word. */
export function hashBytes(start: usize, length: u32, out: usize): void {
  store<u64>(out, xxhash64(start, length))
}
