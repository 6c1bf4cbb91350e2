import { MillpondError } from '../errors.ts'

const EXACT_DOUBLED = 2 ** 52
/** Seven bytes of a variable-length number hold 49 bits, which doubles still count exactly. */
const EXACT_BYTES = 7
const MAX_LONG_BYTES = 10

/** Why an object is no commit, with its key in front. */
export function corruptCommit(key: string, what: string): MillpondError {
  return new MillpondError('COMMIT_CORRUPT', `commit ${key}: ${what}`, { details: { key } })
}

/** Appends values in Avro's binary encoding to bytes that grow. Source: Apache Avro 1.12 specification, "Binary encoding", read 2026-11. */
export class RecordWriter {
  #bytes = Buffer.allocUnsafe(4096)
  #used = 0

  /** Takes a safe integer. */
  long(value: number): void {
    this.#reserve(MAX_LONG_BYTES)
    if (Math.abs(value) >= EXACT_DOUBLED) {
      this.#bigLong(BigInt(value))
      return
    }
    let rest = value < 0 ? -2 * value - 1 : 2 * value
    while (rest >= 128) {
      this.#bytes[this.#used++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#used++] = rest
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value)
    this.long(bytes)
    this.#reserve(bytes)
    this.#used += this.#bytes.write(value, this.#used)
  }

  list<T>(items: readonly T[], item: (value: T) => void): void {
    if (items.length > 0) this.long(items.length)
    for (const value of items) item(value)
    this.long(0)
  }

  /** What was appended so far. */
  build(): Buffer {
    return this.#bytes.subarray(0, this.#used)
  }

  #bigLong(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    while (rest >= 128n) {
      this.#bytes[this.#used++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.#bytes[this.#used++] = Number(rest)
  }

  #reserve(extra: number): void {
    if (this.#used + extra <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#used + extra, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = grown
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads values in Avro's binary encoding; trusts no length. What does not fit is `COMMIT_CORRUPT`, naming `key`. */
export class RecordReader {
  readonly #key: string
  readonly #bytes: Uint8Array
  #at: number

  constructor(key: string, bytes: Uint8Array, start: number) {
    this.#key = key
    this.#bytes = bytes
    this.#at = start
  }

  /** Where the next value begins. */
  get at(): number {
    return this.#at
  }

  /** A whole number that is a safe integer. */
  long(): number {
    const start = this.#at
    let value = 0
    for (let i = 0, scale = 1; i < EXACT_BYTES; i++, scale *= 128) {
      const byte = this.#byte()
      value += (byte & 127) * scale
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    this.#at = start
    return this.#bigLong()
  }

  /** A length of something that lies within the bytes. */
  length(): number {
    const length = this.long()
    if (length < 0 || length > this.#bytes.length - this.#at) throw this.#corrupt(`a length of ${length} bytes leaves the object`)
    return length
  }

  text(): string {
    const length = this.length()
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    try {
      return decoder.decode(bytes)
    } catch {
      throw this.#corrupt('a text is not UTF-8')
    }
  }

  /** The items of an array or map; every item takes at least one byte. */
  list<T>(item: () => T): T[] {
    const items: T[] = []
    for (let count = this.long(); count !== 0; count = this.long()) {
      if (count < 0) {
        count = -count
        this.length()
      }
      if (count > this.#bytes.length - this.#at) throw this.#corrupt(`${count} items leave the object`)
      for (let i = 0; i < count; i++) items.push(item())
    }
    return items
  }

  #bigLong(): number {
    let value = 0n
    for (let i = 0n; i < MAX_LONG_BYTES; i++) {
      const byte = this.#byte()
      value |= BigInt(byte & 127) << (7n * i)
      if (byte >= 128) continue
      const number = Number((value >> 1n) ^ -(value & 1n))
      if (!Number.isSafeInteger(number)) throw this.#corrupt('a number is past 2^53 - 1')
      return number
    }
    throw this.#corrupt('a number is longer than 10 bytes')
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw this.#corrupt('it ends within a value')
    this.#at++
    return byte
  }

  #corrupt(what: string): MillpondError {
    return corruptCommit(this.#key, `${what} (byte ${this.#at})`)
  }
}
