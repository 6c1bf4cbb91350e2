import { MillpondError } from '../errors.ts'

/** A sequence has a token and an offset at the least, and each byte of a length stands for 255. */
const MAX_RATIO = 255

/**
 * Decompresses one LZ4 block behind its length, as `lz4_flex` writes it: four bytes, low byte first, then the block without any frame.
 * Source: lz4_Block_format.md of LZ4, read 2026-11.
 * @throws MillpondError `BLOCK_CORRUPT`, also where more than `maxBytes` would come out.
 */
export function decompressSizedLz4(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.byteLength < 4) throw corrupt('LZ4 data without its length')
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
  if (length > maxBytes || length > bytes.byteLength * MAX_RATIO) throw corrupt(`LZ4 data claims to hold ${length} bytes`)
  const out = new Uint8Array(length)
  const end = decompressInto(bytes, 4, out)
  if (end !== length) throw corrupt(`LZ4 data holds ${end} bytes and says ${length}`)
  return out
}

/** Long and plain: it runs over every byte. Gives how many bytes came out. */
function decompressInto(bytes: Uint8Array, start: number, out: Uint8Array): number {
  let at = start
  let to = 0
  const lengthAt = (short: number): number => {
    let length = short
    if (short !== 15) return length
    for (let byte = 255; byte === 255;) {
      if (at >= bytes.byteLength) throw corrupt('LZ4 data ends early')
      byte = bytes[at++]!
      length += byte
    }
    return length
  }
  while (at < bytes.byteLength) {
    const token = bytes[at++]!
    const literals = lengthAt(token >> 4)
    if (at + literals > bytes.byteLength || to + literals > out.byteLength) throw corrupt('LZ4 literals do not fit')
    out.set(bytes.subarray(at, at + literals), to)
    at += literals
    to += literals
    if (at === bytes.byteLength) break
    if (at + 2 > bytes.byteLength) throw corrupt('LZ4 data ends early')
    const offset = bytes[at]! | (bytes[at + 1]! << 8)
    at += 2
    const match = lengthAt(token & 15) + 4
    if (offset === 0 || offset > to || to + match > out.byteLength) throw corrupt('an LZ4 match does not fit')
    if (offset >= match) out.copyWithin(to, to - offset, to - offset + match)
    else for (let i = 0; i < match; i++) out[to + i] = out[to + i - offset]!
    to += match
  }
  return to
}

const corrupt = (message: string) => new MillpondError('BLOCK_CORRUPT', message)
