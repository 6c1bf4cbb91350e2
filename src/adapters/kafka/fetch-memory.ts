/** Memory for record sets that is used again: large buffers that come and go set off one garbage collection after the other. */
export interface SetMemory {
  /** So many bytes, whatever they hold. */
  readonly take: (bytes: number) => Uint8Array
  /** Gives back what was taken; nobody may look at it any more. What is never given back is collected like any other. */
  readonly giveBack: (set: Uint8Array) => void
}

/** Sets are seldom as long as the one before: rounded up, one fits in the memory of another. */
const GRAIN_BYTES = 256 * 1024
/** Of sets that are shorter than the other, as they are where partitions are many. */
const SMALL_GRAIN_BYTES = 16 * 1024
/** Shorter ones are not worth it. */
const MIN_KEPT_BYTES = SMALL_GRAIN_BYTES

/** What a set takes, of which it may fill a part. */
export const setBytes = (set: Uint8Array): number => set.buffer.byteLength

/** Memory of which at most `keptBytes` wait for their next use. */
export function createSetMemory(keptBytes: number): SetMemory {
  const spare: ArrayBufferLike[] = []
  let spareBytes = 0
  return {
    take(bytes) {
      if (bytes < MIN_KEPT_BYTES) return Buffer.allocUnsafeSlow(bytes)
      const grain = bytes < GRAIN_BYTES ? SMALL_GRAIN_BYTES : GRAIN_BYTES
      const rounded = Math.ceil(bytes / grain) * grain
      // What is much larger would be wasted.
      const place = spare.findIndex(({ byteLength }) => byteLength >= bytes && byteLength <= 2 * rounded)
      const [there] = place < 0 ? [] : spare.splice(place, 1)
      if (there === undefined) return Buffer.allocUnsafeSlow(rounded).subarray(0, bytes)
      spareBytes -= there.byteLength
      return Buffer.from(there, 0, bytes)
    },
    giveBack({ buffer }) {
      const isOurs = buffer.byteLength >= MIN_KEPT_BYTES && buffer.byteLength % SMALL_GRAIN_BYTES === 0
      if (!isOurs || spareBytes + buffer.byteLength > keptBytes || spare.includes(buffer)) return
      spare.push(buffer)
      spareBytes += buffer.byteLength
    },
  }
}
