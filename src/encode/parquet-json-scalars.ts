import { isLong, type ShapeKind } from './json-shape.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import type { SchemaNode } from './parquet-schema.ts'
import { leafNode, type NodePlace } from './parquet-writers.ts'

/** How values of one kind are written. */
interface Scalar {
  readonly leaf: (place: NodePlace) => SchemaNode
  readonly put: (builder: ColumnBuilder, value: unknown) => void
  readonly fits: (value: unknown) => boolean
}

function putWord(builder: ColumnBuilder, value: unknown): void {
  builder.reserve(4)
  builder.view.setInt32(builder.used, value as number, true)
  builder.used += 4
}

function putLong(builder: ColumnBuilder, value: unknown): void {
  builder.reserve(8)
  if (typeof value === 'bigint') builder.view.setBigInt64(builder.used, BigInt.asIntN(64, value), true)
  else {
    // Two's complement in two words.
    builder.view.setInt32(builder.used, (value as number) | 0, true)
    builder.view.setInt32(builder.used + 4, Math.floor((value as number) / 2 ** 32), true)
  }
  builder.used += 8
}

const isNumber = (value: unknown) => typeof value === 'number' || typeof value === 'bigint'

/** Columns by the kind of their values. */
export const scalars: Readonly<Record<ShapeKind, Scalar>> = {
  boolean: {
    leaf: (place) => leafNode(place, 'BOOLEAN'),
    put(builder, value) {
      builder.reserve(1)
      builder.bytes[builder.used++] = value === true ? 1 : 0
    },
    fits: (value) => typeof value === 'boolean',
  },
  int: {
    leaf: (place) => leafNode(place, 'INT64'),
    put: putLong,
    fits: isLong,
  },
  double: {
    leaf: (place) => leafNode(place, 'DOUBLE'),
    put(builder, value) {
      builder.reserve(8)
      builder.view.setFloat64(builder.used, Number(value), true)
      builder.used += 8
    },
    fits: isNumber,
  },
  string: {
    leaf: (place) => leafNode(place, 'BYTE_ARRAY', { kind: 'string' }),
    put: (builder, value) => builder.pushText(String(value)),
    fits: (value) => typeof value === 'string',
  },
  int32: {
    leaf: (place) => leafNode(place, 'INT32'),
    put: putWord,
    fits: isNumber,
  },
  uint32: {
    // Bounds would have to be found as unsigned numbers.
    leaf: (place) => leafNode(place, 'INT32', { kind: 'integer', bits: 32, isSigned: false }, { hasBounds: false }),
    put: putWord,
    fits: isNumber,
  },
  uint64: {
    leaf: (place) => leafNode(place, 'INT64', { kind: 'integer', bits: 64, isSigned: false }, { hasBounds: false }),
    put: putLong,
    fits: isNumber,
  },
  float: {
    leaf: (place) => leafNode(place, 'FLOAT'),
    put(builder, value) {
      builder.reserve(4)
      builder.view.setFloat32(builder.used, Number(value), true)
      builder.used += 4
    },
    fits: isNumber,
  },
  bytes: {
    leaf: (place) => leafNode(place, 'BYTE_ARRAY'),
    put(builder, value) {
      const bytes = value as Uint8Array
      builder.pushBytes(bytes, 0, bytes.byteLength)
    },
    fits: (value) => value instanceof Uint8Array,
  },
  json: {
    leaf: (place) => leafNode(place, 'BYTE_ARRAY', { kind: 'json' }, { hasBounds: false }),
    put: (builder, value) => builder.pushText(jsonText(value)),
    fits: () => true,
  },
}

/** A whole number that is too long for a number is kept digit for digit; bytes become Base64. */
const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_name, inner: unknown) => {
    if (inner instanceof Uint8Array) return Buffer.from(inner).toString('base64')
    return typeof inner === 'bigint' ? rawNumber(inner) : inner
  })

const rawNumber = (value: bigint): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value))
