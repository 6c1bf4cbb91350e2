import { CRC32C_TABLES as TABLES } from './arena'

/** CRC-32C (Castagnoli, reflected 0x82F63B78), slicing by 16. Source: RFC 3720, appendix B.4. */
const POLYNOMIAL: u32 = 0x82f63b78
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
  ready = true
}

// @ts-ignore: decorator
@inline
function at(table: u32, word: u32, shift: u32): u32 {
  return load<u32>(TABLES + (table << 10) + (((word >>> shift) & 255) << 2))
}

/** The CRC-32C of the bytes, going on from `seed`: the CRC-32C of what came before them, 0 for nothing. */
export function crc32c(seed: u32, start: usize, length: u32): u32 {
  if (!ready) prepare()
  let crc = ~seed
  let p = start
  let left = length
  while (left >= 16) {
    const a = load<u32>(p) ^ crc
    const b = load<u32>(p, 4)
    const c = load<u32>(p, 8)
    const d = load<u32>(p, 12)
    crc =
      at(15, a, 0) ^ at(14, a, 8) ^ at(13, a, 16) ^ at(12, a, 24) ^
      at(11, b, 0) ^ at(10, b, 8) ^ at(9, b, 16) ^ at(8, b, 24) ^
      at(7, c, 0) ^ at(6, c, 8) ^ at(5, c, 16) ^ at(4, c, 24) ^
      at(3, d, 0) ^ at(2, d, 8) ^ at(1, d, 16) ^ at(0, d, 24)
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
