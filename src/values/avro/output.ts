/** Avro's binary encoding as it is written. A class: it is filled datum by datum. */
export class Output {
  bytes = new Uint8Array(1024)
  used = 0
  #view = new DataView(this.bytes.buffer)

  #reserve(length: number): void {
    if (this.used + length <= this.bytes.byteLength) return
    const grown = new Uint8Array(Math.max(this.used + length, 2 * this.bytes.byteLength))
    grown.set(this.bytes.subarray(0, this.used))
    this.bytes = grown
    this.#view = new DataView(grown.buffer)
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

  writeLong(value: number | bigint): void {
    const wide = BigInt(value)
    let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
    for (; rest >= 0x80n; rest >>= 7n) this.writeByte(Number(rest & 0x7fn) | 0x80)
    this.writeByte(Number(rest))
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
}
