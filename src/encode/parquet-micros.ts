import type { ColumnBuilder } from './parquet-column.ts'

/**
 * Times are written in microseconds, also where they are known in milliseconds: readers of Iceberg tables compare them with what is asked for as
 * they are. Any safe integer times this is a number of 64 bits.
 */
export const MICROS_OF_MILLIS = 1000

/** Milliseconds beyond these have no microseconds of 64 bits. */
export const MAX_MILLIS = Number.MAX_SAFE_INTEGER

/** Writes a whole number of milliseconds as INT64 of microseconds. */
export function putMicros(builder: ColumnBuilder, millis: number): void {
  const micros = millis * MICROS_OF_MILLIS
  if (Number.isSafeInteger(micros)) putWhole(builder, micros)
  else {
    builder.reserve(8)
    builder.view.setBigInt64(builder.used, BigInt(millis) * BigInt(MICROS_OF_MILLIS), true)
    builder.used += 8
  }
}

/** Writes a safe integer as INT64. */
export function putWhole(builder: ColumnBuilder, number: number): void {
  builder.reserve(8)
  // Two's complement in two words.
  builder.view.setInt32(builder.used, number | 0, true)
  builder.view.setInt32(builder.used + 4, Math.floor(number / 2 ** 32), true)
  builder.used += 8
}
