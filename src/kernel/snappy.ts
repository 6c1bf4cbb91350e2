import { MillpondError } from '../errors.ts'
import { checkResult } from './fault.ts'
import { SLACK_BYTES, withKernel } from './kernel.ts'

/** Compresses in Snappy's block format, without framing. */
export function snappyCompress(bytes: Uint8Array): Uint8Array {
  const room = 32 + bytes.byteLength + Math.ceil(bytes.byteLength / 6)
  return withKernel(bytes.byteLength + room + 2 * SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = source + bytes.byteLength + SLACK_BYTES
    kernel.bytes.set(bytes, source)
    const length = kernel.exports.snappyCompress(source, bytes.byteLength, out)
    return kernel.bytes.slice(out, out + length)
  })
}

/**
 * Decompresses Snappy's block format.
 * @throws MillpondError `BLOCK_CORRUPT`, also where more than `maxBytes` would come out.
 */
export function snappyDecompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  // Five bytes hold the length; it is known before memory is taken for it.
  const length = withKernel(64, (kernel) => {
    const head = bytes.subarray(0, 5)
    kernel.bytes.set(head, kernel.arenaStart)
    return checkResult(
      kernel.exports.snappyLength(kernel.arenaStart, head.byteLength),
      'BLOCK_CORRUPT',
      'snappy data cannot be read',
    )
  })
  if (length > maxBytes || length > bytes.byteLength * MAX_RATIO) {
    throw new MillpondError('BLOCK_CORRUPT', `snappy data of ${bytes.byteLength} bytes claims to hold ${length}`, {
      details: { claimedBytes: length, maxBytes },
    })
  }
  return withKernel(bytes.byteLength + length + 2 * SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = source + bytes.byteLength + SLACK_BYTES
    kernel.bytes.set(bytes, source)
    const result = kernel.exports.snappyDecompress(source, bytes.byteLength, out, length)
    checkResult(result, 'BLOCK_CORRUPT', 'snappy data cannot be read')
    return kernel.bytes.slice(out, out + length)
  })
}

/** No element gives more than 64 bytes for its two or more. */
const MAX_RATIO = 32
