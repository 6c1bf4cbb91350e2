import { MillpondError } from '../errors.ts'
import { bigEndianBytes, type Value } from './values.ts'
import { decimalParts, type FieldType, type PrimitiveType } from './schema.ts'

/** What makes a partition's value of a column's: `identity`, `day`, `bucket[16]`, in the form that tables have it. */
export type Transform = 'identity' | 'year' | 'month' | 'day' | 'hour' | `bucket[${number}]` | `truncate[${number}]` | 'void'

/** One field of a partition as it is configured: `day(timestamp)`, `bucket(16, key)`, `truncate(4, name)` or a column by itself. */
export interface PartitionTerm {
  readonly transform: Transform
  readonly column: string
}

const TIMES = ['year', 'month', 'day', 'hour'] as const
const MAX_WIDTH = 2 ** 31 - 1
const MICROS = { hour: 3_600_000_000n, day: 86_400_000_000n }

/** Reads one field of a partition; undefined where it is none. */
export function parseTerm(text: string): PartitionTerm | undefined {
  const call = /^\s*(\w+)\s*\(\s*(?:(\d+)\s*,\s*)?(.+?)\s*\)\s*$/u.exec(text)
  if (call === null) return /[(),]/u.test(text) || text.trim() === '' ? undefined : { transform: 'identity', column: text.trim() }
  const [, name, width, column] = call
  const time = TIMES.find((one) => one === name || `${one}s` === name)
  if (time !== undefined) return width === undefined ? { transform: time, column: column! } : undefined
  if (name === 'identity') return width === undefined ? { transform: 'identity', column: column! } : undefined
  if ((name !== 'bucket' && name !== 'truncate') || width === undefined) return undefined
  const count = Number(width)
  return count > 0 && count <= MAX_WIDTH ? { transform: `${name}[${count}]`, column: column! } : undefined
}

/** The number in the brackets of a transform. */
const widthOf = (transform: Transform): number => Number(/\d+/u.exec(transform)?.[0])
const isBucket = (transform: Transform): boolean => transform.startsWith('bucket')
const isTruncate = (transform: Transform): boolean => transform.startsWith('truncate')
const isTimestamp = (type: FieldType): boolean => type === 'timestamp' || type === 'timestamptz'

/**
 * The type of a partition's values.
 * Source: Apache Iceberg table specification, "Partition transforms", read 2026-11.
 * @throws MillpondError `CONFIG_INVALID` for a column that has no such transform.
 */
export function resultType(transform: Transform, type: FieldType, column: string): PrimitiveType {
  const bad = () =>
    new MillpondError('CONFIG_INVALID', `a table cannot be partitioned by ${transform} of ${column}, which is ${nameOf(type)}`)
  if (typeof type !== 'string') throw bad()
  if (transform === 'void') return type
  if (type === 'float' || type === 'double') throw bad()
  if (transform === 'identity') return type
  if (isBucket(transform)) {
    if (type === 'boolean') throw bad()
    return 'int'
  }
  if (isTruncate(transform)) {
    if (!['int', 'long', 'string', 'binary'].includes(type) && decimalParts(type) === undefined) throw bad()
    return type
  }
  if (!isTimestamp(type) && (type !== 'date' || transform === 'hour')) throw bad()
  return transform === 'day' ? 'date' : 'int'
}

const nameOf = (type: FieldType): string => (typeof type === 'string' ? type : `a ${type.type}`)

/** The value of the partition that a value lies in. */
export function applyTransform(transform: Transform, type: PrimitiveType, value: Value): Value {
  if (transform === 'identity') return value
  if (isBucket(transform)) return (hashValue(type, value) & MAX_WIDTH) % widthOf(transform)
  if (isTruncate(transform)) return truncate(value, widthOf(transform))
  const days = type === 'date' ? Number(value) : Number(floorDivide(microsOf(value), MICROS.day))
  if (transform === 'day') return days
  if (transform === 'hour') return Number(floorDivide(microsOf(value), MICROS.hour))
  return transform === 'year' ? yearOf(days) - 1970 : monthOf(days)
}

/** Times are bigints. */
const microsOf = (value: Value): bigint => (typeof value === 'bigint' ? value : BigInt(Number(value)))

const DAY_MS = 86_400_000
/** A cycle of the Gregorian calendar. */
const CYCLE = { days: 146_097, years: 400 }

/** A year of any day that 64 bits of microseconds reach: far past what `Date` has. */
function civil(days: number): { readonly year: number; readonly month: number } {
  const cycles = Math.floor(days / CYCLE.days)
  const date = new Date((days - cycles * CYCLE.days) * DAY_MS)
  return { year: date.getUTCFullYear() + cycles * CYCLE.years, month: date.getUTCMonth() }
}

const yearOf = (days: number): number => civil(days).year

function monthOf(days: number): number {
  const { year, month } = civil(days)
  return (year - 1970) * 12 + month
}

function floorDivide(value: bigint, by: bigint): bigint {
  const whole = value / by
  return value % by < 0n ? whole - 1n : whole
}

function truncate(value: Value, width: number): Value {
  if (typeof value === 'string') return Array.from(value).slice(0, width).join('')
  if (value instanceof Uint8Array) return value.subarray(0, width)
  if (typeof value === 'bigint') return floorDivide(value, BigInt(width)) * BigInt(width)
  return Math.floor(Number(value) / width) * width
}

/** Source: Apache Iceberg table specification, "32-bit hash requirements", read 2026-11. */
function hashValue(type: PrimitiveType, value: Value): number {
  if (typeof value === 'string') return murmur3(Buffer.from(value))
  if (value instanceof Uint8Array) return murmur3(value)
  if (decimalParts(type) !== undefined) return murmur3(bigEndianBytes(BigInt(value)))
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return murmur3(bytes)
}

/** MurmurHash3, x86, 32 bits, seed 0. Source: Austin Appleby, MurmurHash3, public domain, read 2026-11. */
function murmur3(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tail = bytes.length - (bytes.length % 4)
  let hash = 0
  for (let at = 0; at < tail; at += 4) {
    hash ^= scramble(view.getUint32(at, true))
    hash = Math.imul(rotate(hash, 13), 5) + 0xe6546b64
  }
  let rest = 0
  for (let at = bytes.length - 1; at >= tail; at--) rest = (rest << 8) | bytes[at]!
  hash ^= scramble(rest) ^ bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
const scramble = (value: number): number => Math.imul(rotate(Math.imul(value, 0xcc9e2d51), 15), 0x1b873593)
