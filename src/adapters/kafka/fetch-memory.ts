/** Memory for record sets that is used again: large buffers that come and go set off one garbage collection after the other. */
export interface SetMemory {
  /** So many bytes, whatever they hold. */
  readonly take: (bytes: number) => Uint8Array
  /** Gives back what was taken; nobody may look at it any more. What is never given back is collected like any other. */
  readonly giveBack: (set: Uint8Array) => void
}

/** Sets are seldom as long as the one before: rounded up, one fits in the memory of another. */
const GRAIN_BYTES = 256 * 1024

/** Memory of which at most `keptBytes` wait for their next use. */
export function createSetMemory(keptBytes: number): SetMemory {
  const spare: ArrayBufferLike[] = []
  let spareBytes = 0
  return {
    take(bytes) {
      const rounded = Math.ceil(bytes / GRAIN_BYTES) * GRAIN_BYTES
      // What is small is not worth it, and what is much larger would be wasted.
      const place =
        bytes < GRAIN_BYTES / 4 ? -1 : spare.findIndex(({ byteLength }) => byteLength >= bytes && byteLength <= 2 * rounded)
      const [there] = place < 0 ? [] : spare.splice(place, 1)
      if (there === undefined) return Buffer.allocUnsafeSlow(bytes < GRAIN_BYTES / 4 ? bytes : rounded).subarray(0, bytes)
      spareBytes -= there.byteLength
      return Buffer.from(there, 0, bytes)
    },
    giveBack({ buffer }) {
      if (buffer.byteLength % GRAIN_BYTES !== 0 || spareBytes + buffer.byteLength > keptBytes || spare.includes(buffer)) return
      spare.push(buffer)
      spareBytes += buffer.byteLength
    },
  }
}
