/** Parts of look-up filters that were read lately, so that the next question does not read them again. */
export interface SliceCache {
  get(name: string): Uint8Array | undefined
  /** The bytes must not change any more. */
  put(name: string, bytes: Uint8Array): void
}

const DEFAULT_BYTES = 16 * 1024 * 1024

/** A cache of at most `maxBytes`; what was asked for longest ago leaves first. Filters never change, so nothing in it grows old. */
export function createSliceCache(maxBytes: number = DEFAULT_BYTES): SliceCache {
  const slices = new Map<string, Uint8Array>()
  let held = 0
  const drop = (name: string) => {
    held -= slices.get(name)?.byteLength ?? 0
    slices.delete(name)
  }
  return {
    get(name) {
      const bytes = slices.get(name)
      if (bytes === undefined) return undefined
      slices.delete(name)
      slices.set(name, bytes)
      return bytes
    },
    put(name, bytes) {
      if (bytes.byteLength > maxBytes) return
      drop(name)
      // A window on something larger would hold all of that.
      slices.set(name, bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice())
      held += bytes.byteLength
      for (const oldest of slices.keys()) {
        if (held <= maxBytes) break
        drop(oldest)
      }
    },
  }
}
