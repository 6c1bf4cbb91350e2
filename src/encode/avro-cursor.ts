import { MillpondError } from '../errors.ts'

/** A place in bytes of Avro. A class: every number of every value is read by it. */
export class AvroCursor {
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView = new DataView(new ArrayBuffer(0))
  at = 0
  end = 0
  /** Of the long that `readWords` read. */
  low = 0
  high = 0

  /** Goes to another value, of the same bytes or others. */
  open(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.at = start
    this.end = end
  }

  /** Goes over `length` bytes; gives where they begin. @throws MillpondError `INPUT_INVALID`. */
  take(length: number): number {
    const start = this.at
    if (length > this.end - start) throw unfit('it ends too early')
    this.at = start + length
    return start
  }

  /** A boolean as 0 or 1. */
  readBoolean(): number {
    const byte = this.bytes[this.take(1)]!
    if (byte > 1) throw unfit(`a boolean is ${byte}`)
    return byte
  }

  /** A number of 32 bits. @throws MillpondError `INPUT_INVALID`. */
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
    if (this.high !== this.low >> 31) throw unfit('an int has more than 32 bits')
    return this.low
  }

  /** A number of 64 bits as two words, `low` and `high`. @throws MillpondError `INPUT_INVALID`. */
  readWords(): void {
    let low = 0
    let high = 0
    for (let shift = 0; ; shift += 7) {
      if (this.at >= this.end) throw unfit('it ends too early')
      const byte = this.bytes[this.at++]!
      const bits = byte & 0x7f
      if (shift < 32) low |= bits << shift
      if (shift >= 32) high |= bits << (shift - 32)
      else if (shift > 25) high |= bits >>> (32 - shift)
      if (byte < 0x80) {
        // The tenth byte holds the 64th bit alone.
        if (shift === 63 && byte > 1) throw unfit('a long has more than 64 bits')
        break
      }
      if (shift === 63) throw unfit('a long has more than 64 bits')
    }
    const sign = -(low & 1)
    this.low = ((low >>> 1) | (high << 31)) ^ sign
    this.high = (high >>> 1) ^ sign
  }

  /** A length, count or index: any whole number that is safe. @throws MillpondError `INPUT_INVALID`. */
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
    if (!Number.isSafeInteger(count)) throw unfit(`a count is ${count}`)
    return count
  }

  /** Goes over bytes or a string; gives their length, with `at` behind them. @throws MillpondError `INPUT_INVALID`. */
  readBytes(): number {
    const length = this.readCount()
    if (length < 0) throw unfit(`a length is ${length}`)
    this.take(length)
    return length
  }

  /**
   * The items of the next block of an array or map; 0 where there is none. `itemBytes` is what each takes at the least.
   * @throws MillpondError `INPUT_INVALID`.
   */
  readBlock(itemBytes: number): number {
    let count = this.readCount()
    if (count < 0) {
      count = -count
      this.readCount()
    }
    if (itemBytes > 0 ? count > (this.end - this.at) / itemBytes : count > MOST_EMPTY_ITEMS)
      throw unfit(`a list of ${count} items cannot be there`)
    return count
  }
}

/** Items that take no bytes are believed up to here. */
const MOST_EMPTY_ITEMS = 65_536

/** What is wrong with a value that its schema does not describe. */
export const unfit = (what: string) => new MillpondError('INPUT_INVALID', `the value does not fit its schema: ${what}`)
