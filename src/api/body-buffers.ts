/** Buffers for the bodies of requests, used again: taking large ones from the system for every request is work for the collector. */
export interface BodyBuffers {
  /** A buffer for a body of so many bytes, or undefined where it is not of a size that is kept. */
  take(bytes: number): Buffer | undefined
  /** Says that nobody looks at a buffer of `take`, or at a part of it, any more. */
  giveBack(buffer: Buffer): void
}

const SMALLEST_BYTES = 16 * 1024
const LARGEST_BYTES = 1024 * 1024

/** Buffers of the powers of two from 16 KiB to 1 MiB, of which those not in use are kept up to `maxSpareBytes`. */
export function createBodyBuffers(maxSpareBytes: number): BodyBuffers {
  const spare = new Map<number, Buffer[]>()
  let spareBytes = 0
  return {
    take(bytes) {
      if (bytes < SMALLEST_BYTES || bytes > LARGEST_BYTES) return undefined
      const size = 2 ** Math.ceil(Math.log2(bytes))
      const kept = spare.get(size)?.pop()
      if (kept === undefined) return Buffer.allocUnsafeSlow(size)
      spareBytes -= size
      return kept
    },
    giveBack(buffer) {
      const size = buffer.byteLength
      if (spareBytes + size > maxSpareBytes) return
      spareBytes += size
      const kept = spare.get(size)
      if (kept === undefined) spare.set(size, [buffer])
      else kept.push(buffer)
    },
  }
}
