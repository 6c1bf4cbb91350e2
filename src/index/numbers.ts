/** Second bit of a signed number's first byte; the first says that more bytes follow. */
const MINUS = 0x40

const encoder = new TextEncoder()
// Without `ignoreBOM` a byte order mark at the beginning would be lost, and with it the name that was given.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Appends safe integers and texts as variable-length bytes. A class for its growing buffer. */
export class NumberWriter {
  #bytes = new Uint8Array(1024)
  #used = 0

  /** A number from 0 on. */
  unsigned(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#used++] = (rest % 0x80) + 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#used++] = rest
  }

  /** The difference to `base`; the value itself, marked by a zero with a minus, where their difference is no exact number. */
  relative(value: number, base: number): void {
    if (Number.isSafeInteger(value - base)) return this.#signed(value - base)
    this.#reserve(1)
    this.#bytes[this.#used++] = MINUS
    this.#signed(value)
  }

  #signed(value: number): void {
    this.#reserve(10)
    const magnitude = Math.abs(value)
    const rest = Math.floor(magnitude / 0x40)
    this.#bytes[this.#used++] = (value < 0 ? MINUS : 0) + (magnitude % 0x40) + (rest > 0 ? 0x80 : 0)
    if (rest > 0) this.unsigned(rest)
  }

  fixed32(value: number): void {
    this.#reserve(4)
    new DataView(this.#bytes.buffer).setUint32(this.#used, value)
    this.#used += 4
  }

  /** UTF-8 with its length in front. */
  text(value: string): void {
    const bytes = encoder.encode(value)
    this.unsigned(bytes.byteLength)
    this.#reserve(bytes.byteLength)
    this.#bytes.set(bytes, this.#used)
    this.#used += bytes.byteLength
  }

  /** All that was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#used)
  }

  #reserve(extra: number): void {
    if (this.#used + extra <= this.#bytes.byteLength) return
    const grown = new Uint8Array(Math.max(this.#used + extra, this.#bytes.byteLength * 2))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

/** Reads what `NumberWriter` wrote; what is none of it is a RangeError. */
export class NumberReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get ended(): boolean {
    return this.#at === this.#bytes.byteLength
  }

  unsigned(): number {
    let value = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw new RangeError('a number is too long')
  }

  /** A number of things that each take a byte or more: more than there are bytes left is no count. */
  count(): number {
    const count = this.unsigned()
    if (count > this.#bytes.byteLength - this.#at) throw new RangeError('a count is too large')
    return count
  }

  relative(base: number): number {
    const byte = this.#byte()
    return byte === MINUS ? this.#signed(this.#byte()) : base + this.#signed(byte)
  }

  #signed(first: number): number {
    const magnitude = (first & 0x3f) + (first >= 0x80 ? this.unsigned() * 0x40 : 0)
    return (first & MINUS) === 0 ? magnitude : -magnitude
  }

  fixed32(): number {
    if (this.#at + 4 > this.#bytes.byteLength) throw new RangeError('the table ends early')
    const value = new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getUint32(this.#at)
    this.#at += 4
    return value
  }

  text(): string {
    const length = this.count()
    const value = decoder.decode(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
    return value
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new RangeError('the table ends early')
    this.#at++
    return byte
  }
}
