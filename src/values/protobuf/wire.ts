import { isUtf8 } from 'node:buffer'
import { fault } from '../fault.ts'

/** How a field's bytes end. Source: protobuf.dev, "Encoding", read 2026-11. */
export const VARINT = 0
export const FIXED64 = 1
export const SIZED = 2
export const GROUP = 3
const GROUP_END = 4
export const FIXED32 = 5

const MAX_DEPTH = 100
const NO_BYTES = new Uint8Array(0)
/** Bytes of a number that stay below 2^53. */
const EXACT_BYTES = 7

/** A place in the wire format. A class: it is on the hot path of every archive by schema. All its calls throw MillpondError `INPUT_INVALID`. */
export class ProtobufCursor {
  bytes: Uint8Array = NO_BYTES
  view: DataView = new DataView(NO_BYTES.buffer)
  at = 0
  end = 0
  /** Of the field that `readTag` met last. */
  id = 0
  wireType = 0

  open(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.at = start
    this.end = end
  }

  /** Reads a field's number and wire type. False where the message, or the group of that number, is over. */
  readTag(group = 0): boolean {
    if (this.at >= this.end) {
      if (group !== 0) throw fault('it ends within a group')
      return false
    }
    const tag = this.#readExact()
    if (tag > 0xff_ff_ff_ff) throw fault('a field has a number of more than 32 bits')
    this.id = tag >>> 3
    this.wireType = tag & 7
    if (this.id === 0) throw fault('a field has the number 0')
    if (this.wireType !== GROUP_END) return true
    if (this.id !== group) throw fault('a group ends that did not begin')
    return false
  }

  /** A number of 32 bits, of which a longer one keeps the lower ones. */
  readSmall(): number {
    const { bytes, end } = this
    const first = this.at < end ? bytes[this.at]! : 0x80
    if (first < 0x80) {
      this.at++
      return first
    }
    let value = 0
    for (let i = 0; i < 10 && this.at < end; i++) {
      const byte = bytes[this.at++]!
      if (i < 5) value |= (byte & 0x7f) << (7 * i)
      if (byte < 0x80) return value >>> 0
    }
    throw fault(this.at >= end ? 'it ends within a number' : 'a number is too long')
  }

  /** A number of 64 bits, unsigned; a bigint where it is a long one. */
  readLarge(): number | bigint {
    const start = this.at
    const value = this.#readExact()
    if (this.at - start <= EXACT_BYTES) return value
    let exact = 0n
    for (let at = start, shift = 0n; at < this.at; at++, shift += 7n) exact |= BigInt(this.bytes[at]! & 0x7f) << shift
    return BigInt.asUintN(64, exact)
  }

  /** A number that is exact where it is safe, and larger than any that is right elsewhere. */
  #readExact(): number {
    const { bytes, end } = this
    const first = this.at < end ? bytes[this.at]! : 0x80
    if (first < 0x80) {
      this.at++
      return first
    }
    let value = 0
    for (let i = 0, scale = 1; i < 10 && this.at < end; i++, scale *= 0x80) {
      const byte = bytes[this.at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw fault(this.at >= end ? 'it ends within a number' : 'a number is too long')
  }

  /** Passes over so many bytes and gives where they begin. */
  take(length: number): number {
    if (length > this.end - this.at) throw fault('it ends within a part of it')
    const start = this.at
    this.at += length
    return start
  }

  /** Passes over bytes with their length in front and gives that, `at` being behind them. */
  skipSized(): number {
    const length = this.#readExact()
    this.take(length)
    return length
  }

  /** Goes into bytes behind their length; gives the end to come back to by `leave`. */
  enter(): number {
    const length = this.#readExact()
    if (length > this.end - this.at) throw fault('it ends within a part of it')
    const outer = this.end
    this.end = this.at + length
    return outer
  }

  leave(outer: number): void {
    this.at = this.end
    this.end = outer
  }

  /** Passes over the value of the field that was met last. */
  skip(depth = 0): void {
    switch (this.wireType) {
      case VARINT:
        this.readSmall()
        return
      case FIXED64:
        this.take(8)
        return
      case SIZED:
        this.skipSized()
        return
      case FIXED32:
        this.take(4)
        return
      case GROUP: {
        checkDepth(depth)
        const { id } = this
        while (this.readTag(id)) this.skip(depth + 1)
        return
      }
      default:
        throw fault(`a field has the wire type ${this.wireType}`)
    }
  }

  /** The same for text, which must be UTF-8. */
  skipText(): number {
    const length = this.skipSized()
    const { bytes } = this
    for (let at = this.at - length; at < this.at; at++) {
      if (bytes[at]! < 0x80) continue
      if (isUtf8(bytes.subarray(at, this.at))) break
      throw fault('a text is not UTF-8')
    }
    return length
  }
}

/** The official libraries go no deeper either. */
export function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw fault(`it is nested more than ${MAX_DEPTH} deep`)
}
