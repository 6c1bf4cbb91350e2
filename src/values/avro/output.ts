const MAX_INT = 2 ** 31 - 1
const MIN_INT = -(2 ** 31)
/** What a number takes at the most. */
const LONG_BYTES = 10
const encoder = new TextEncoder()

/** Avro's binary encoding as it is written. A class: it is filled datum by datum. */
export class Output {
  bytes: Uint8Array
  used = 0
  #view: DataView

  /** `firstBytes` are what there is room for before it has to grow. */
  constructor(firstBytes = 1024) {
    this.bytes = new Uint8Array(firstBytes)
    this.#view = new DataView(this.bytes.buffer)
  }

  #reserve(length: number): void {
    if (this.used + length <= this.bytes.byteLength) return
    const grown = new Uint8Array(Math.max(this.used + length, 2 * this.bytes.byteLength))
    grown.set(this.bytes.subarray(0, this.used))
    this.bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  /** All that was written, which later writes may overwrite. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.used)
  }

  copy(source: Uint8Array, start = 0, end = source.byteLength): void {
    this.#reserve(end - start)
    this.bytes.set(source.subarray(start, end), this.used)
    this.used += end - start
  }

  writeByte(byte: number): void {
    this.#reserve(1)
    this.bytes[this.used++] = byte
  }

  /** A whole number within 64 bits. */
  writeLong(value: number | bigint): void {
    this.#reserve(LONG_BYTES)
    if (typeof value === 'number' && value >= MIN_INT && value <= MAX_INT) {
      let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
      for (; zigzag > 0x7f; zigzag >>>= 7) this.bytes[this.used++] = (zigzag & 0x7f) | 0x80
      this.bytes[this.used++] = zigzag
      return
    }
    const whole = BigInt(value)
    let zigzag = BigInt.asUintN(64, (whole << 1n) ^ (whole >> 63n))
    for (; zigzag > 0x7fn; zigzag >>= 7n) this.bytes[this.used++] = Number(zigzag & 0x7fn) | 0x80
    this.bytes[this.used++] = Number(zigzag)
  }

  writeFloat(value: number): void {
    this.#reserve(4)
    this.#view.setFloat32(this.used, value, true)
    this.used += 4
  }

  writeDouble(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.used, value, true)
    this.used += 8
  }

  /** Bytes with their length in front. */
  writeSized(bytes: Uint8Array): void {
    this.writeLong(bytes.byteLength)
    this.copy(bytes)
  }

  writeText(text: string): void {
    const length = Buffer.byteLength(text)
    this.writeLong(length)
    this.#reserve(length)
    encoder.encodeInto(text, this.bytes.subarray(this.used))
    this.used += length
  }
}
