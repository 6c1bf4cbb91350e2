import * as fc from 'fast-check'
import { snappyCompress } from '../../src/kernel/snappy.ts'
import { snappyDecompressTwin } from './twins.ts'

const HEADER = [0x82, ...Buffer.from('SNAPPY'), 0, 0, 0, 0, 1, 0, 0, 0, 1]

/** Snappy in either framing, decoded; throws for anything else. Source: snappy-java 1.1.10, `SnappyInputStream`. */
export function xerialDecompressTwin(bytes: Uint8Array): Uint8Array {
  const isHeader = (at: number) => at + 16 <= bytes.length && HEADER.slice(0, 8).every((byte, i) => bytes[at + i] === byte)
  if (!isHeader(0)) return snappyDecompressTwin(bytes)
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    if (isHeader(at)) {
      at += 16
      continue
    }
    if (at + 4 > bytes.length) throw new Error('truncated')
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at)
    if (length > bytes.length - at - 4) throw new Error('truncated')
    parts.push(snappyDecompressTwin(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(parts)
}

const content = fc
  .tuple(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 20 }))
  .map(([part, times]) => Uint8Array.from(Array.from({ length: times }, () => [...part]).flat()))

/** Streams in either framing, with chunks of any size and headers in between, and what is in them. */
export const xerialStreams: fc.Arbitrary<{ bytes: Uint8Array; content: Uint8Array }> = fc.oneof(
  content.map((raw) => ({ bytes: snappyCompress(raw), content: raw })),
  fc.array(fc.record({ raw: content, hasHeader: fc.boolean() }), { maxLength: 5 }).map((chunks) => ({
    bytes: Uint8Array.from([
      ...HEADER,
      ...chunks.flatMap(({ raw, hasHeader }) => {
        const stored = snappyCompress(raw)
        return [...(hasHeader ? HEADER : []), 0, 0, stored.length >> 8, stored.length & 255, ...stored]
      }),
    ]),
    content: Buffer.concat(chunks.map(({ raw }) => raw)),
  })),
)
