import { headersOf, spansOf } from './columns'

/** Whether the bytes are well-formed UTF-8. Source: The Unicode Standard, table 3-7. */
export function isUtf8(start: usize, length: u32): bool {
  const end = start + length
  let p = start
  while (p < end) {
    while (p + 16 <= end && i8x16.bitmask(v128.load(p)) == 0) p += 16
    if (p >= end) return true
    const first = <u32>load<u8>(p)
    if (first < 0x80) {
      p++
      continue
    }
    const left = <u32>(end - p)
    if (first < 0xc2 || first > 0xf4 || left < 2) return false
    const second = <u32>load<u8>(p, 1)
    if ((second & 0xc0) != 0x80) return false
    if (first < 0xe0) {
      p += 2
      continue
    }
    if (left < 3 || (load<u8>(p, 2) & 0xc0) != 0x80) return false
    if (first < 0xf0) {
      // Overlong forms and surrogates.
      if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return false
      p += 3
      continue
    }
    if (left < 4 || (load<u8>(p, 3) & 0xc0) != 0x80) return false
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return false
    p += 4
  }
  return true
}

/**
 * Finds rows before `to` whose id (1) or a header's name (2) is not UTF-8: writes to `out`, of 4 bytes a row, row times 4 plus the sum of what is
 * wrong; gives their number. The columns must have passed `measureRows` or come from `readRecords`.
 */
export function findNotUtf8(columns: usize, n: u32, h: u32, to: u32, bytes: usize, out: usize): i32 {
  const idStart = spansOf(columns, n, 4)
  const idEnd = spansOf(columns, n, 5)
  const headerFrom = spansOf(columns, n, 6)
  const nameStart = headersOf(columns, n, h, 0)
  const nameEnd = headersOf(columns, n, h, 1)
  const first = load<i32>(headerFrom)
  let header: u32 = 0
  let found: u32 = 0
  for (let row: u32 = 0; row < to; row++) {
    let wrong: u32 = 0
    const start = load<i32>(idStart + (row << 2))
    if (start != -1 && !isUtf8(bytes + start, load<i32>(idEnd + (row << 2)) - start)) wrong = 1
    const end = <u32>(load<i32>(headerFrom + (row << 2) + 4) - first)
    for (; header < end; header++) {
      const name = load<i32>(nameStart + (header << 2))
      const length = <u32>(load<i32>(nameEnd + (header << 2)) - name)
      // Most names are short and ASCII: that is seen without a call.
      if (length <= 16 && (i8x16.bitmask(v128.load(bytes + name)) & ((1 << length) - 1)) == 0) continue
      if (!isUtf8(bytes + name, length)) wrong |= 2
    }
    if (wrong != 0) store<u32>(out + (found++ << 2), (row << 2) | wrong)
  }
  return <i32>found
}
