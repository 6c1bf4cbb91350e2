/** How values of JSON and Protobuf become values of one column. */
import { MillpondError } from '../errors.ts'
import { isLong } from '../values/json/widen.ts'
import type { Shape } from '../values/shape.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { putWhole } from './parquet-micros.ts'

/** Takes a value to a column, or tells whether it could. */
interface PlainScalar {
  readonly put: (builder: ColumnBuilder, value: unknown) => void
  readonly fits: (value: unknown) => boolean
}

function putWord(builder: ColumnBuilder, value: unknown): void {
  builder.reserve(4)
  builder.view.setInt32(builder.used, value as number, true)
  builder.used += 4
}

function putLong(builder: ColumnBuilder, value: unknown): void {
  if (typeof value !== 'bigint') return putWhole(builder, value as number)
  builder.reserve(8)
  builder.view.setBigInt64(builder.used, BigInt.asIntN(64, value), true)
  builder.used += 8
}

const isNumber = (value: unknown) => typeof value === 'number' || typeof value === 'bigint'

const scalars: Readonly<Partial<Record<Shape['kind'], PlainScalar>>> = {
  boolean: {
    put(builder, value) {
      builder.reserve(1)
      builder.bytes[builder.used++] = value === true ? 1 : 0
    },
    fits: (value) => typeof value === 'boolean',
  },
  int: {
    put: putLong,
    fits: isLong,
  },
  double: {
    put(builder, value) {
      builder.reserve(8)
      builder.view.setFloat64(builder.used, Number(value), true)
      builder.used += 8
    },
    fits: isNumber,
  },
  string: {
    put: (builder, value) => builder.pushText(String(value)),
    fits: (value) => typeof value === 'string',
  },
  int32: {
    put: putWord,
    fits: isNumber,
  },
  uint32: {
    put: putWord,
    fits: isNumber,
  },
  uint64: {
    put: putLong,
    fits: isNumber,
  },
  float: {
    put(builder, value) {
      builder.reserve(4)
      builder.view.setFloat32(builder.used, Number(value), true)
      builder.used += 4
    },
    fits: isNumber,
  },
  bytes: {
    put(builder, value) {
      const bytes = value as Uint8Array
      builder.pushBytes(bytes, 0, bytes.byteLength)
    },
    fits: (value) => value instanceof Uint8Array,
  },
  json: {
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

/** How values become those of the shape's column. */
export function plainScalar({ kind }: Shape): PlainScalar {
  const scalar = scalars[kind]
  if (scalar === undefined) throw new MillpondError('INTERNAL', `values that were read whole are no ${kind}`)
  return scalar
}
