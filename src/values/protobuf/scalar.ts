import { textOf } from '../text.ts'
import type { ProtobufScalar } from './message.ts'
import type { ProtobufCursor } from './wire.ts'

const signed = (value: number | bigint): number | bigint => (typeof value === 'number' ? value : narrow(BigInt.asIntN(64, value)))

const unzigzag = (value: number | bigint): number | bigint => {
  if (typeof value === 'number') return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  return narrow((value >> 1n) ^ -(value & 1n))
}

const narrow = (value: number | bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value

/** How the next value of a type is read; whole numbers that a number does not hold are bigints. They throw MillpondError `INPUT_INVALID`. */
export const scalarReaders = {
  double: (cursor) => cursor.view.getFloat64(cursor.take(8), true),
  float: (cursor) => cursor.view.getFloat32(cursor.take(4), true),
  int32: (cursor) => cursor.readSmall() | 0,
  uint32: (cursor) => cursor.readSmall(),
  sint32(cursor) {
    const zigzag = cursor.readSmall()
    return (zigzag >>> 1) ^ -(zigzag & 1)
  },
  int64: (cursor) => signed(cursor.readLarge()),
  uint64: (cursor) => narrow(cursor.readLarge()),
  sint64: (cursor) => unzigzag(cursor.readLarge()),
  fixed32: (cursor) => cursor.view.getUint32(cursor.take(4), true),
  sfixed32: (cursor) => cursor.view.getInt32(cursor.take(4), true),
  fixed64: (cursor) => narrow(cursor.view.getBigUint64(cursor.take(8), true)),
  sfixed64: (cursor) => narrow(cursor.view.getBigInt64(cursor.take(8), true)),
  bool: (cursor) => Number(cursor.readLarge()) !== 0,
  string: readText,
  bytes(cursor) {
    const length = cursor.skipSized()
    return cursor.bytes.slice(cursor.at - length, cursor.at)
  },
} as const satisfies Readonly<Record<ProtobufScalar, (cursor: ProtobufCursor) => unknown>>

/** The next text, which may be other than UTF-8. */
export function readText(cursor: ProtobufCursor): string {
  const length = cursor.skipSized()
  return textOf(cursor.bytes, cursor.at - length, cursor.at)
}
