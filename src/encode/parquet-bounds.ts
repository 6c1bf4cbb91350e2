import { boundsOfBytes } from '../kernel/parquet.ts'
import type { ValueBounds } from './parquet-row-group.ts'
import type { PhysicalType } from './parquet-schema.ts'

/** Longer bounds are left out: a footer is read whole by everybody. */
const MAX_BOUND_BYTES = 64

interface TypeRules {
  readonly find: (plain: Uint8Array) => ValueBounds | undefined
  /** Of two bounds. */
  readonly compare: (a: Uint8Array, b: Uint8Array) => number
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const compareBytes = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b)

const rules: Readonly<Partial<Record<PhysicalType, TypeRules>>> = {
  BYTE_ARRAY: { find: boundsOfArrays, compare: compareBytes },
  INT64: {
    find: boundsOfLongs,
    compare(a, b) {
      const [one, other] = [viewOf(a).getBigInt64(0, true), viewOf(b).getBigInt64(0, true)]
      return Number(one > other) - Number(one < other)
    },
  },
  INT32: { find: boundsOfInts, compare: (a, b) => viewOf(a).getInt32(0, true) - viewOf(b).getInt32(0, true) },
  FLOAT: {
    find: (plain) => boundsOfFloats(plain, 4),
    compare: (a, b) => viewOf(a).getFloat32(0, true) - viewOf(b).getFloat32(0, true),
  },
  DOUBLE: {
    find: (plain) => boundsOfFloats(plain, 8),
    compare: (a, b) => viewOf(a).getFloat64(0, true) - viewOf(b).getFloat64(0, true),
  },
  BOOLEAN: {
    find: (plain) => ({ min: Uint8Array.of(plain.includes(0) ? 0 : 1), max: Uint8Array.of(plain.includes(1) ? 1 : 0) }),
    compare: compareBytes,
  },
}

/**
 * The bounds of PLAIN values of one type, one at the least, and of those `before`; undefined where there are none to be told: values too long, or
 * one that is no number.
 */
export function boundsOf(type: PhysicalType, plain: Uint8Array, before: ValueBounds | undefined): ValueBounds | undefined {
  const found = rules[type]?.find(plain)
  if (found === undefined || before === undefined) return found
  const { compare } = rules[type]!
  return {
    min: compare(found.min, before.min) < 0 ? found.min : before.min,
    max: compare(found.max, before.max) > 0 ? found.max : before.max,
  }
}

function boundsOfArrays(plain: Uint8Array): ValueBounds | undefined {
  const { low, high } = boundsOfBytes(plain)
  const view = viewOf(plain)
  const valueAt = (at: number) => {
    const length = view.getUint32(at, true)
    return length > MAX_BOUND_BYTES ? undefined : plain.slice(at + 4, at + 4 + length)
  }
  const min = valueAt(low)
  const max = valueAt(high)
  return min === undefined || max === undefined ? undefined : { min, max }
}

/** Compared as two words each: a bigint for each value would cost more than all else. */
function boundsOfLongs(plain: Uint8Array): ValueBounds {
  const words = new Int32Array(plain.buffer, plain.byteOffset, plain.byteLength / 4)
  let min = 0
  let max = 0
  const isBelow = (a: number, b: number) =>
    words[a + 1]! < words[b + 1]! || (words[a + 1] === words[b + 1] && words[a]! >>> 0 < words[b]! >>> 0)
  for (let i = 2; i < words.length; i += 2) {
    if (isBelow(i, min)) min = i
    else if (isBelow(max, i)) max = i
  }
  return { min: plain.slice(4 * min, 4 * min + 8), max: plain.slice(4 * max, 4 * max + 8) }
}

function boundsOfInts(plain: Uint8Array): ValueBounds {
  const values = new Int32Array(plain.buffer, plain.byteOffset, plain.byteLength / 4)
  let min = 0
  let max = 0
  for (let i = 1; i < values.length; i++) {
    if (values[i]! < values[min]!) min = i
    else if (values[i]! > values[max]!) max = i
  }
  return { min: plain.slice(4 * min, 4 * min + 4), max: plain.slice(4 * max, 4 * max + 4) }
}

/** A zero among the bounds is -0 below and +0 above; with a value that is no number there are none. Source: `parquet.thrift`, `ColumnOrder`. */
function boundsOfFloats(plain: Uint8Array, size: 4 | 8): ValueBounds | undefined {
  const { buffer, byteOffset, byteLength } = plain
  const values =
    size === 4 ? new Float32Array(buffer, byteOffset, byteLength / 4) : new Float64Array(buffer, byteOffset, byteLength / 8)
  let min = Infinity
  let max = -Infinity
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (Number.isNaN(value)) return undefined
    if (value < min) min = value
    if (value > max) max = value
  }
  const bytesOf = (value: number) => new Uint8Array((size === 4 ? Float32Array.of(value) : Float64Array.of(value)).buffer)
  return { min: bytesOf(min === 0 ? -0 : min), max: bytesOf(max === 0 ? 0 : max) }
}
