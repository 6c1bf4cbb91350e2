import { isUtf8 } from 'node:buffer'
import { MillpondError } from '../../errors.ts'
import { textOf } from '../text.ts'

/** Deeper data is refused: readers of other languages, and ours, would run out of stack. */
const MAX_DEPTH = 1000

/** A place in Avro's binary encoding. A class: it is on the hot path of every archive by schema. All its calls throw MillpondError `INPUT_INVALID`. */
export class Cursor {
  bytes: Uint8Array = new Uint8Array(0)
  at = 0
  end = 0
  depth = 0

  /** Goes to the datum from `start` to before `end`. */
  open(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.depth = 0
  }

  enter(): void {
    if (++this.depth > MAX_DEPTH) throw fault(`it is nested more than ${MAX_DEPTH} deep`)
  }

  leave(): void {
    this.depth--
  }

  /** Passes over an int, of at most 5 bytes, or a long, of at most 10. */
  skipVarint(maxBytes: number): void {
    const { bytes } = this
    const last = Math.min(this.end, this.at + maxBytes)
    for (let at = this.at; at < last; at++) {
      if (bytes[at]! < 0x80) {
        this.at = at + 1
        return
      }
    }
    throw fault(last < this.at + maxBytes ? 'it ends within a number' : 'a number is too long')
  }

  /** A number that is a count, a length or an index: exact up to 2^53, and good enough to be refused beyond. */
  readCount(): number {
    const { bytes } = this
    const first = this.at < this.end ? bytes[this.at]! : 0x80
    if (first < 0x80) {
      this.at++
      return first & 1 ? -(first >>> 1) - 1 : first >>> 1
    }
    let value = 0
    let scale = 1
    const start = this.at
    for (; this.at < this.end && this.at < start + 10; scale *= 0x80) {
      const byte = bytes[this.at++]!
      value += (byte & 0x7f) * scale
      // An odd number beyond 2^53 is no longer one, but none of those is ever right.
      if (byte < 0x80) return value % 2 === 1 ? -(value + 1) / 2 : value / 2
    }
    throw fault(this.at < start + 10 ? 'it ends within a number' : 'a number is too long')
  }

  /** A long: a number where one is exact, a bigint otherwise. */
  readLong(): number | bigint {
    const start = this.at
    const value = this.readCount()
    // Twice the value was summed up, so that half of what a number holds is safe.
    if (value <= 0x0f_ffff_ffff_ffff && value >= -0x0f_ffff_ffff_ffff) return value
    let zigzag = 0n
    for (let at = start, shift = 0n; at < this.at; at++, shift += 7n) zigzag |= BigInt(this.bytes[at]! & 0x7f) << shift
    const exact = BigInt.asIntN(64, BigInt.asUintN(64, zigzag >> 1n) ^ -(zigzag & 1n))
    return exact >= Number.MIN_SAFE_INTEGER && exact <= Number.MAX_SAFE_INTEGER ? Number(exact) : exact
  }

  skipBytes(length: number): void {
    if (!(length >= 0) || length > this.end - this.at) throw fault('it ends within a part of it')
    this.at += length
  }

  /** Passes over bytes with their length in front. */
  skipSized(): void {
    this.skipBytes(this.readCount())
  }

  /** The same for text, which must be UTF-8. */
  skipText(): void {
    const length = this.readCount()
    const start = this.at
    this.skipBytes(length)
    const { bytes } = this
    for (let at = start; at < this.at; at++) {
      if (bytes[at]! >= 0x80) {
        if (!isUtf8(bytes.subarray(at, this.at))) throw fault('a text in it is not UTF-8')
        return
      }
    }
  }

  readText(): string {
    const length = this.readCount()
    const start = this.at
    this.skipBytes(length)
    return textOf(this.bytes, start, this.at)
  }

  readByte(): number {
    if (this.at >= this.end) throw fault('it ends within a part of it')
    return this.bytes[this.at++]!
  }

  readBoolean(): boolean {
    const byte = this.readByte()
    if (byte > 1) throw fault('a truth is neither 0 nor 1')
    return byte === 1
  }

  /** An index below `count`. */
  readIndex(count: number, what: string): number {
    const index = this.readCount()
    if (!(index >= 0 && index < count)) throw fault(`it has ${what} ${index} of ${count}`)
    return index
  }

  /** Where `length` bytes begin that are passed over. */
  take(length: number): number {
    const start = this.at
    this.skipBytes(length)
    return start
  }
}

/** A reason why bytes are not what their schema says. */
export const fault = (reason: string): MillpondError => new MillpondError('INPUT_INVALID', reason)
