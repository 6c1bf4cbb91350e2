import { expect } from 'vitest'
import { batchOf, type MessageInput } from '../../../src/batch/builder.ts'
import { segmentFormat } from '../../../src/encode/formats.ts'
import type { ExtraColumn } from '../../../src/encode/format-options.ts'
import type { SchemaType, ValueKind } from '../../../src/values/values.ts'
import { type Cell, parquetSegment, tableOf } from '../parquet-segments.ts'

/** A kind by its schema. */
export const kindOf = (type: SchemaType, text: string, name?: string): ValueKind => ({
  id: text,
  type,
  name,
  text,
  references: [],
})
/** Messages of these values. */
export const messagesOf = (values: readonly (Uint8Array | string | null)[]): MessageInput[] =>
  values.map((value, i) => ({ position: 10 + i, timestamp: 1000 * i, key: i % 2 ? `k${i}` : null, value }))

/** How values are written. */
export interface ValueOptions {
  readonly kind?: ValueKind
  readonly extraColumns?: readonly ExtraColumn[]
  readonly blockBytes?: number
}

/** Rows of the file of these values, as another reader has them. */
export async function rowsOf(
  values: readonly (Uint8Array | string)[],
  { extraColumns, ...options }: ValueOptions = {},
  more: (message: MessageInput) => MessageInput = (message) => message,
): Promise<Cell[]> {
  const batch = batchOf(messagesOf(values).map(more))
  const formatOptions = { extraColumns }
  expect(segmentFormat('value-parquet').findUnencodable(batch, formatOptions, options.kind)).toEqual([])
  const encoding = { codec: 'zstandard', lookups: [], blockBytes: 4096, formatOptions, ...options } as const
  const { file } = await parquetSegment([batch], { ...encoding, origin: { topic: 'orders', lane: '3' } }, 'value-parquet')
  return tableOf(file)
}

/** What is found of values that cannot be written. */
export const faultsOf = (values: readonly (Uint8Array | string | null)[], kind?: ValueKind) =>
  segmentFormat('value-parquet').findUnencodable(batchOf(messagesOf(values)), undefined, kind)
