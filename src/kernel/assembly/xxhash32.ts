/** XXH32 with seed 0. Source: xxHash specification 0.1.1, "XXH32 algorithm description"; it is what LZ4 frames use. */
const P1: u32 = 0x9e3779b1
const P2: u32 = 0x85ebca77
const P3: u32 = 0xc2b2ae3d
const P4: u32 = 0x27d4eb2f
const P5: u32 = 0x165667b1

// @ts-ignore: decorator
@inline
function round(lane: u32, input: u32): u32 {
  return rotl<u32>(lane + input * P2, 13) * P1
}

/** The hash of `length` bytes. */
export function xxhash32(start: usize, length: u32): u32 {
  let p = start
  let left = length
  let hash: u32
  if (left >= 16) {
    let a = P1 + P2
    let b = P2
    let c: u32 = 0
    let d: u32 = 0 - P1
    do {
      a = round(a, load<u32>(p))
      b = round(b, load<u32>(p, 4))
      c = round(c, load<u32>(p, 8))
      d = round(d, load<u32>(p, 12))
      p += 16
      left -= 16
    } while (left >= 16)
    hash = rotl<u32>(a, 1) + rotl<u32>(b, 7) + rotl<u32>(c, 12) + rotl<u32>(d, 18)
  } else {
    hash = P5
  }
  hash += length
  while (left >= 4) {
    hash = rotl<u32>(hash + load<u32>(p) * P3, 17) * P4
    p += 4
    left -= 4
  }
  while (left > 0) {
    hash = rotl<u32>(hash + <u32>load<u8>(p) * P5, 11) * P1
    p++
    left--
  }
  hash = (hash ^ (hash >>> 15)) * P2
  hash = (hash ^ (hash >>> 13)) * P3
  return hash ^ (hash >>> 16)
}
