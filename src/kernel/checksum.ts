import { type Kernel, withKernel } from './kernel.ts'

// Keeps what goes through the arena within the processor's cache.
const PIECE_BYTES = 1024 * 1024

/** CRC-32C of the bytes, unsigned; `seed` is the CRC-32C of what came before them. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return withKernel(PIECE_BYTES, (kernel) => {
    let crc = seed
    for (let from = 0; from < bytes.byteLength; from += PIECE_BYTES) {
      const piece = bytes.subarray(from, from + PIECE_BYTES)
      kernel.bytes.set(piece, kernel.arenaStart)
      crc = kernel.exports.crc32c(crc, kernel.arenaStart, piece.byteLength)
    }
    return crc >>> 0
  })
}

/** A 64-bit hash as two unsigned words. */
export interface Hash64 {
  readonly high: number
  readonly low: number
}

/** XXH64 of the bytes with seed 0. */
export function xxhash64(bytes: Uint8Array): Hash64 {
  return withKernel(bytes.byteLength + 64, (kernel: Kernel) => {
    const at = kernel.arenaStart
    kernel.bytes.set(bytes, at + 8)
    kernel.exports.hashBytes(at + 8, bytes.byteLength, at)
    return { low: kernel.i32[at / 4]! >>> 0, high: kernel.i32[at / 4 + 1]! >>> 0 }
  })
}
