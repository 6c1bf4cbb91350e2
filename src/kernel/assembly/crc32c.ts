import { CRC32C_SHIFT_TABLES as SHIFT_TABLES, CRC32C_TABLES as TABLES } from './arena'

/** CRC-32C (Castagnoli, reflected 0x82F63B78), slicing by 16. Source: RFC 3720, appendix B.4. */
const POLYNOMIAL: u32 = 0x82f63b78
/**
 * Long inputs go in pairs of pieces of this length, both at once: what one waits for, the other computes. The first one's result is then
 * moved over the second's bytes by four more tables.
 */
const PIECE_BYTES: u32 = 2048
let ready = false

function prepare(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & (0 - (crc & 1)))
    store<u32>(TABLES + (i << 2), crc)
  }
  for (let i: u32 = 0; i < 256; i++) {
    let crc = load<u32>(TABLES + (i << 2))
    for (let table: u32 = 1; table < 16; table++) {
      crc = (crc >>> 8) ^ load<u32>(TABLES + ((crc & 255) << 2))
      store<u32>(TABLES + (table << 10) + (i << 2), crc)
    }
  }
  // Moving over zeros is linear: the table's entries are made of those with one bit.
  for (let table: u32 = 0; table < 4; table++) {
    const at = SHIFT_TABLES + (table << 10)
    store<u32>(at, 0)
    for (let bit: u32 = 0; bit < 8; bit++) {
      let crc: u32 = 1 << (8 * table + bit)
      for (let i: u32 = 0; i < PIECE_BYTES; i++) crc = (crc >>> 8) ^ load<u32>(TABLES + ((crc & 255) << 2))
      for (let i: u32 = 0; i < <u32>1 << bit; i++) store<u32>(at + (((1 << bit) + i) << 2), crc ^ load<u32>(at + (i << 2)))
    }
  }
  ready = true
}

// @ts-ignore: decorator
@inline
function at(table: u32, word: u32, shift: u32): u32 {
  return load<u32>(TABLES + (table << 10) + (((word >>> shift) & 255) << 2))
}

/** `crc` over the 16 bytes at `p`. */
// @ts-ignore: decorator
@inline
function over16(crc: u32, p: usize): u32 {
  const a = load<u32>(p) ^ crc
  const b = load<u32>(p, 4)
  const c = load<u32>(p, 8)
  const d = load<u32>(p, 12)
  return (
    at(15, a, 0) ^ at(14, a, 8) ^ at(13, a, 16) ^ at(12, a, 24) ^
    at(11, b, 0) ^ at(10, b, 8) ^ at(9, b, 16) ^ at(8, b, 24) ^
    at(7, c, 0) ^ at(6, c, 8) ^ at(5, c, 16) ^ at(4, c, 24) ^
    at(3, d, 0) ^ at(2, d, 8) ^ at(1, d, 16) ^ at(0, d, 24)
  )
}

/** `crc` moved over `PIECE_BYTES` zeros. */
// @ts-ignore: decorator
@inline
function moved(crc: u32): u32 {
  return (
    load<u32>((crc & 255) << 2, SHIFT_TABLES) ^ load<u32>(((crc >>> 8) & 255) << 2, SHIFT_TABLES + 0x400) ^
    load<u32>(((crc >>> 16) & 255) << 2, SHIFT_TABLES + 0x800) ^ load<u32>((crc >>> 24) << 2, SHIFT_TABLES + 0xc00)
  )
}

/** The CRC-32C of the bytes, going on from `seed`: the CRC-32C of what came before them, 0 for nothing. */
export function crc32c(seed: u32, start: usize, length: u32): u32 {
  if (!ready) prepare()
  let crc = ~seed
  let p = start
  let left = length
  while (left >= 2 * PIECE_BYTES) {
    let second: u32 = 0
    for (const end = p + PIECE_BYTES; p < end; p += 16) {
      crc = over16(crc, p)
      second = over16(second, p + PIECE_BYTES)
    }
    crc = moved(crc) ^ second
    p += PIECE_BYTES
    left -= 2 * PIECE_BYTES
  }
  while (left >= 16) {
    crc = over16(crc, p)
    p += 16
    left -= 16
  }
  while (left > 0) {
    crc = (crc >>> 8) ^ load<u32>(TABLES + (((crc ^ load<u8>(p)) & 255) << 2))
    p++
    left--
  }
  return ~crc
}
