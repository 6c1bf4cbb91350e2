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

/** CRC-32C (Castagnoli) with its bits reflected, as the tables of the kernel have it. */
const POLYNOMIAL = 0x82f6_3b78
const ONE = 0x8000_0000

/** The product of two polynomials modulo the CRC's; the highest bit is the constant. */
function multiply(a: number, b: number): number {
  let product = 0
  let factor = b
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= factor
    factor = (factor & 1) === 0 ? factor >>> 1 : (factor >>> 1) ^ POLYNOMIAL
  }
  return product >>> 0
}

/** x to the power of 2^k, for the bits of any length. */
const POWERS = Array.from({ length: 57 }).reduce<number[]>(
  (powers) => [...powers, powers.length === 0 ? ONE >>> 1 : multiply(powers.at(-1)!, powers.at(-1)!)],
  [],
)

/**
 * The CRC-32C of two pieces one behind the other, of which only their own are known; `rightBytes` is the length of the second.
 * Source: zlib 1.3, `crc32_combine`, for another polynomial.
 */
export function joinCrc32c(left: number, right: number, rightBytes: number): number {
  let shift = ONE
  let rest = rightBytes
  for (let k = 3; rest > 0; k++) {
    if (rest % 2 === 1) shift = multiply(POWERS[k]!, shift)
    rest = Math.floor(rest / 2)
  }
  return (multiply(shift, left) ^ right) >>> 0
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
