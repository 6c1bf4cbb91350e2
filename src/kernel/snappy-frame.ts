import { SLACK_BYTES, withKernel } from './kernel.ts'
import { unpackStreams } from './snappy-streams.ts'

/** Bytes of a chunk before compression, and what one may grow by. */
const CHUNK_BYTES = 64 * 1024
const CHUNK_GROWTH_BYTES = 64

/** Compresses as a stream of Snappy's framing format: what `.sz` files are. */
export function snappyFrame(bytes: Uint8Array): Uint8Array {
  const chunks = Math.ceil(bytes.byteLength / CHUNK_BYTES)
  const room = 64 + bytes.byteLength + Math.ceil(bytes.byteLength / 6) + chunks * CHUNK_GROWTH_BYTES
  return withKernel(bytes.byteLength + room + 2 * SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = source + bytes.byteLength + SLACK_BYTES
    kernel.bytes.set(bytes, source)
    return kernel.bytes.slice(out, out + kernel.exports.snappyFrame(source, bytes.byteLength, out))
  })
}

/**
 * Decompresses streams of Snappy's framing format, one behind the other.
 * @throws MillpondError `BLOCK_CORRUPT`, also where more than `maxBytes` would come out.
 */
export function snappyUnframe(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const stored = bytes.byteLength
  return unpackStreams(bytes, {
    what: 'framed snappy data cannot be read',
    maxBytes,
    // Chunks claim at most 64 KiB each, and the least that one takes is a dozen bytes: still it is known before memory is taken.
    maxRatio: MAX_RATIO,
    lengthOf: (kernel, source) => kernel.exports.snappyFramedLength(source, stored),
    unpack(kernel, { source, out, length }) {
      const result = kernel.exports.snappyUnframe(source, stored, out, length)
      return result < 0 ? result : length
    },
  })
}

/** No element of Snappy gives more than 64 bytes for its two or more. */
const MAX_RATIO = 32
