/** Bytes that grow at their end. */
export class Growing {
  bytes: Uint8Array
  used = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  push(more: Uint8Array): void {
    const at = this.extend(more.byteLength)
    this.bytes.set(more, at)
  }

  /** Grows by so many bytes, which are whatever they are; gives where they begin. */
  extend(length: number): number {
    const at = this.used
    const needed = at + length
    if (needed > this.bytes.byteLength) {
      const grown = new Uint8Array(at === 0 ? needed : Math.max(needed, this.bytes.byteLength * 2))
      grown.set(this.bytes.subarray(0, at))
      this.bytes = grown
    }
    this.used = needed
    return at
  }

  get filled(): Uint8Array {
    return this.bytes.subarray(0, this.used)
  }
}
