/** Bytes that grow at their end. */
export class Growing {
  bytes: Uint8Array
  used = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  push(more: Uint8Array): void {
    const needed = this.used + more.byteLength
    if (needed > this.bytes.byteLength) {
      const grown = new Uint8Array(this.used === 0 ? needed : Math.max(needed, this.bytes.byteLength * 2))
      grown.set(this.bytes.subarray(0, this.used))
      this.bytes = grown
    }
    this.bytes.set(more, this.used)
    this.used = needed
  }

  get filled(): Uint8Array {
    return this.bytes.subarray(0, this.used)
  }
}
