import type { Leaf } from './parquet-schema.ts'
import { decimalParts, type PrimitiveType } from './schema.ts'

/**
 * A value of a column: numbers for int, float, double and date; bigints for long, times (microseconds) and decimals (unscaled);
 * text; bytes for uuid, fixed and binary.
 */
export type Value = boolean | number | bigint | string | Uint8Array

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A whole number of two's complement, most significant byte first. */
export function bigEndian(bytes: Uint8Array): bigint {
  let value = BigInt.asIntN(8, BigInt(bytes[0] ?? 0))
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte)
  return value
}

/** As few bytes of two's complement as hold the number, most significant first. */
export function bigEndianBytes(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.unshift(Number(rest & 255n))
    rest >>= 8n
  } while (!((rest === 0n && bytes[0]! < 128) || (rest === -1n && bytes[0]! >= 128)))
  return Uint8Array.from(bytes)
}

/** Text of bytes that may be cut within a character, which is then left out; undefined where they are no UTF-8 otherwise. */
function cutText(bytes: Uint8Array): string | undefined {
  for (let cut = 0; cut < 4 && cut <= bytes.length; cut++) {
    try {
      return utf8.decode(bytes.subarray(0, bytes.length - cut))
    } catch {
      // One byte less may end at a character.
    }
  }
  return undefined
}

/**
 * A smallest or largest value out of a Parquet file's statistics, as a value of the table's type, which may be wider than the file's.
 * Undefined where it cannot be one: a cut text as the largest, not a number, or bytes of a wrong length.
 */
export function statisticValue(leaf: Leaf, type: PrimitiveType, bytes: Uint8Array, end: 'min' | 'max'): Value | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (leaf.physical === 0) return bytes.length === 1 ? bytes[0] === 1 : undefined
  if (leaf.physical === 1 || leaf.physical === 2) {
    if (bytes.length !== leaf.physical * 4) return undefined
    const stored = leaf.physical === 1 ? view.getInt32(0, true) : view.getBigInt64(0, true)
    return type === 'int' || type === 'date' ? Number(stored) : BigInt(stored)
  }
  if (leaf.physical === 4 || leaf.physical === 5) {
    if (bytes.length !== (leaf.physical - 3) * 4) return undefined
    return floatValue(leaf.physical === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true), end)
  }
  if (decimalParts(type) !== undefined) return bytes.length === 0 ? undefined : bigEndian(bytes)
  if (type !== 'string') return bytes
  if (end === 'min') return cutText(bytes)
  const text = cutText(bytes)
  return text !== undefined && Buffer.byteLength(text) === bytes.length ? text : undefined
}

/** Zero is both: the smallest is the negative one, the largest the other. */
function floatValue(value: number, end: 'min' | 'max'): number | undefined {
  if (Number.isNaN(value)) return undefined
  return value === 0 ? (end === 'min' ? -0 : 0) : value
}

/** Below 0 where `left` comes before `right`; both are of one type. Text is in the order of its UTF-8. */
export function compareValues(left: Value, right: Value): number {
  if (typeof left === 'string' && typeof right === 'string') return Buffer.compare(Buffer.from(left), Buffer.from(right))
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right)
  if (Object.is(left, -0) && Object.is(right, 0)) return -1
  if (Object.is(left, 0) && Object.is(right, -0)) return 1
  return left < right ? -1 : left > right ? 1 : 0
}

/** The bytes of a value. Source: Apache Iceberg table specification, "Binary single-value serialization", read 2026-11. */
export function valueBytes(type: PrimitiveType, value: Value): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return Buffer.from(value)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0)
  if (decimalParts(type) !== undefined) return bigEndianBytes(BigInt(value))
  const bytes = Buffer.alloc(type === 'int' || type === 'date' || type === 'float' ? 4 : 8)
  if (type === 'float') bytes.writeFloatLE(Number(value))
  else if (type === 'double') bytes.writeDoubleLE(Number(value))
  else if (bytes.length === 4) bytes.writeInt32LE(Number(value))
  else bytes.writeBigInt64LE(BigInt(value))
  return bytes
}

/** Characters of text, or bytes, that a bound holds at most. */
const BOUND_LENGTH = 16
const LAST_CHARACTER = 0x10ffff
const [FIRST_SURROGATE, AFTER_SURROGATES] = [0xd800, 0xe000]

/** A bound that is short and still below (`min`) or above (`max`) all that the longer one was; undefined where there is none. */
export function shortBound(value: Value, end: 'min' | 'max'): Value | undefined {
  if (typeof value === 'string') {
    const characters = Array.from(value)
    if (characters.length <= BOUND_LENGTH) return value
    const short = characters.slice(0, BOUND_LENGTH)
    return end === 'min' ? short.join('') : nextText(short)
  }
  if (!(value instanceof Uint8Array) || value.length <= BOUND_LENGTH) return value
  const short = value.slice(0, BOUND_LENGTH)
  return end === 'min' ? short : nextBytes(short)
}

/** The first text behind all that begin so. */
function nextText(characters: string[]): string | undefined {
  for (let last = characters.pop(); last !== undefined; last = characters.pop()) {
    const next = last.codePointAt(0)! + 1
    if (next <= LAST_CHARACTER)
      return characters.join('') + String.fromCodePoint(next === FIRST_SURROGATE ? AFTER_SURROGATES : next)
  }
  return undefined
}

function nextBytes(bytes: Uint8Array): Uint8Array | undefined {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 255) end--
  if (end === 0) return undefined
  const next = bytes.slice(0, end)
  next[end - 1]!++
  return next
}
