/**
 * Columns of messages in memory, one behind the other, as `../columns.ts` lays them out. With room for `n` messages and `h`
 * headers, at an address that is a multiple of 8:
 * positions f64[n], timestamps f64[n], keyStart, keyEnd, valueStart, valueEnd, idStart, idEnd i32[n] each, headerFrom i32[n + 1],
 * headerNameStart, headerNameEnd, headerValueStart, headerValueEnd i32[h] each.
 *
 * Columns that go in may be a slice: then `headerFrom` counts from its first entry, and the header columns begin there.
 */

// @ts-ignore: decorator
@inline
export function timestampsOf(columns: usize, n: usize): usize {
  return columns + (n << 3)
}

/** Column 0 to 5: keyStart, keyEnd, valueStart, valueEnd, idStart, idEnd; 6 is headerFrom. */
// @ts-ignore: decorator
@inline
export function spansOf(columns: usize, n: usize, column: usize): usize {
  return columns + (n << 4) + column * (n << 2)
}

/** Column 0 to 3: headerNameStart, headerNameEnd, headerValueStart, headerValueEnd. */
// @ts-ignore: decorator
@inline
export function headersOf(columns: usize, n: usize, h: usize, column: usize): usize {
  return columns + (n << 4) + 7 * (n << 2) + 4 + column * (h << 2)
}
