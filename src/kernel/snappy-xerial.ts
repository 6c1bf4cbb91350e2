import { SLACK_BYTES, withKernel } from './kernel.ts'
import { unpackStreams } from './snappy-streams.ts'

/** How a stream begins: magic, version and compatible version. Source: xerial/snappy-java 1.1.10, `SnappyOutputStream`, read 2026-11. */
const HEADER = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1)
const LENGTH_BYTES = 4

/** Compresses as a stream of snappy-java's `SnappyOutputStream`. */
export function xerialFrame(bytes: Uint8Array): Uint8Array {
  const length = bytes.byteLength
  const room = 64 + length + Math.ceil(length / 6) + Math.ceil(length / 1024)
  return withKernel(length + room + 2 * SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = source + length + SLACK_BYTES
    kernel.bytes.set(bytes, source)
    const end = out + kernel.exports.xerialCompress(source, length, out)
    return Buffer.concat([HEADER, kernel.bytes.subarray(out, end)])
  })
}

/** Whether a stream of snappy-java begins here. */
export const isXerial = (bytes: Uint8Array, at = 0): boolean => HEADER.every((byte, i) => bytes[at + i] === byte)

/**
 * Decompresses streams of snappy-java, one behind the other.
 * @throws MillpondError `BLOCK_CORRUPT`, also where more than `maxBytes` would come out.
 */
export function xerialUnframe(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const stored = bytes.byteLength
  return unpackStreams(bytes, {
    what: 'snappy data cannot be read',
    maxBytes,
    lengthOf: (kernel, source) => kernel.exports.xerialBound(source, stored),
    unpack: (kernel, { source, out, length }) => kernel.exports.xerialDecompress(source, stored, out, length),
  })
}

/** Where the stream that `bytes` begin with ends: at the next one's header, or with them; beyond them where it is cut. */
export function xerialEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = HEADER.byteLength
  while (at < bytes.byteLength && !isXerial(bytes, at)) {
    if (at + LENGTH_BYTES > bytes.byteLength) return Infinity
    at += LENGTH_BYTES + view.getUint32(at)
  }
  return at > bytes.byteLength ? Infinity : at
}
