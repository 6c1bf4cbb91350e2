import { isUtf8 } from 'node:buffer'
import { fault } from '../fault.ts'
import { textOf } from '../text.ts'

/** Deeper data is refused: readers of other languages, and ours, would run out of stack. */
const MAX_DEPTH = 1000
/** Items that take no bytes are believed up to here where they are kept. */
const MAX_EMPTY_ITEMS = 65_536
const NO_BYTES = new Uint8Array(0)

/** A place in Avro's binary encoding. A class: every number of every value is read by it. All its calls throw MillpondError `INPUT_INVALID`. */
export class Cursor {
  bytes: Uint8Array = NO_BYTES
  view: DataView = new DataView(NO_BYTES.buffer)
  at = 0
  end = 0
  depth = 0
  /** Of the long that `readWords` read. */
  low = 0
  high = 0

  /** Goes to the datum from `start` to before `end`. */
  open(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
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

  /** A number of 32 bits. */
  readInt(): number {
    const first = this.at
    if (first < this.end) {
      const byte = this.bytes[first]!
      if (byte < 0x80) {
        this.at = first + 1
        return (byte >>> 1) ^ -(byte & 1)
      }
    }
    this.readWords()
    if (this.high !== this.low >> 31) throw fault('an int has more than 32 bits')
    return this.low
  }

  /** A number of 64 bits as two words, `low` and `high`. */
  readWords(): void {
    let low = 0
    let high = 0
    for (let shift = 0; ; shift += 7) {
      if (this.at >= this.end) throw fault('it ends within a number')
      const byte = this.bytes[this.at++]!
      const bits = byte & 0x7f
      if (shift < 32) low |= bits << shift
      if (shift >= 32) high |= bits << (shift - 32)
      else if (shift > 25) high |= bits >>> (32 - shift)
      // The tenth byte holds the 64th bit alone.
      if (shift === 63 && byte > 1) throw fault('a long has more than 64 bits')
      if (byte < 0x80) break
    }
    const sign = -(low & 1)
    this.low = ((low >>> 1) | (high << 31)) ^ sign
    this.high = (high >>> 1) ^ sign
  }

  /** A long: a number where one is exact, a bigint otherwise. */
  readLong(): number | bigint {
    this.readWords()
    const value = this.high * 2 ** 32 + (this.low >>> 0)
    return Number.isSafeInteger(value) ? value : (BigInt(this.high) << 32n) | BigInt(this.low >>> 0)
  }

  /** A number that is a count, a length or an index. */
  readCount(): number {
    const first = this.at
    if (first < this.end) {
      const byte = this.bytes[first]!
      if (byte < 0x80) {
        this.at = first + 1
        return (byte >>> 1) ^ -(byte & 1)
      }
    }
    this.readWords()
    const count = this.high * 2 ** 32 + (this.low >>> 0)
    if (!Number.isSafeInteger(count)) throw fault(`a count is ${count}`)
    return count
  }

  /** Where `length` bytes begin that are passed over. */
  take(length: number): number {
    const start = this.at
    if (!(length >= 0)) throw fault(`a length is ${length}`)
    if (length > this.end - start) throw fault('it ends within a part of it')
    this.at = start + length
    return start
  }

  /** Passes over bytes with their length in front and gives that, `at` being behind them. */
  skipSized(): number {
    const length = this.readCount()
    this.take(length)
    return length
  }

  /** The same for text, which must be UTF-8. */
  skipText(): void {
    const length = this.skipSized()
    const { bytes } = this
    for (let at = this.at - length; at < this.at; at++) {
      if (bytes[at]! < 0x80) continue
      if (isUtf8(bytes.subarray(at, this.at))) return
      throw fault('a text is not UTF-8')
    }
  }

  readText(): string {
    const length = this.skipSized()
    return textOf(this.bytes, this.at - length, this.at)
  }

  /** A truth as 0 or 1. */
  readBoolean(): number {
    const byte = this.bytes[this.take(1)]!
    if (byte > 1) throw fault(`a boolean is ${byte}`)
    return byte
  }

  readFloat(): number {
    return this.view.getFloat32(this.take(4), true)
  }

  readDouble(): number {
    return this.view.getFloat64(this.take(8), true)
  }

  /** An index below `count`. */
  readIndex(count: number, what: string): number {
    const index = this.readCount()
    if (index < 0 || index >= count) throw fault(`it has ${what} ${index} of ${count}`)
    return index
  }

  /** The items of the next block of an array or map; 0 behind the last one. `itemBytes` is what each takes at the least: more are not believed. */
  readBlock(itemBytes: number): number {
    let count = this.readCount()
    if (count < 0) {
      count = -count
      this.readCount()
    }
    if (itemBytes > 0 ? count > (this.end - this.at) / itemBytes : count > MAX_EMPTY_ITEMS)
      throw fault(`a list of ${count} items cannot be there`)
    return count
  }
}
