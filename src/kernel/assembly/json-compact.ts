/** JSON texts made to fit one line. */

// @ts-ignore: decorator
@inline
function lineBreaks(bytes: v128): i32 {
  return v128.bitmask<i8>(v128.or(v128.eq<i8>(bytes, i8x16.splat(10)), v128.eq<i8>(bytes, i8x16.splat(13))))
}

/** Writes a JSON text on one line: as it is where it has no line break, without any white space between its parts otherwise. */
export function writeCompact(out: usize, start: usize, end: usize): usize {
  let at = out
  for (let p = start; p < end; p += 16, at += 16) {
    const bytes = v128.load(p)
    v128.store(at, bytes)
    let breaks = lineBreaks(bytes)
    if (end - p < 16) breaks &= (1 << <i32>(end - p)) - 1
    if (breaks != 0) return writeWithoutSpace(out, start, end)
  }
  return out + (end - start)
}

function writeWithoutSpace(out: usize, start: usize, end: usize): usize {
  let inText = false
  for (let p = start; p < end; p++) {
    const c = <i32>load<u8>(p)
    if (!inText && c <= 0x20) continue
    store<u8>(out++, c)
    if (c == 0x22) inText = !inText
    else if (c == 0x5c && inText && p + 1 < end) store<u8>(out++, load<u8>(++p))
  }
  return out
}
