import type { MessageBatch } from '../batch/batch.ts'
import type { ExtraColumn } from './format-options.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { type HeaderColumn, headersNode, writeHeaders } from './parquet-headers.ts'
import { putMicros, putWhole } from './parquet-micros.ts'
import { leafNode } from './parquet-nodes.ts'
import { leavesOf, type LogicalType, type SchemaNode } from './parquet-schema.ts'
import type { EncoderOptions } from './segment-format.ts'

const STRING: LogicalType = { kind: 'string' }
const HEADERS: HeaderColumn = { name: '__headers', nameOf: 'name', isText: false }

const nodes: Readonly<Record<ExtraColumn, SchemaNode>> = {
  topic: leafNode({ name: '__topic', repetition: 'required' }, 'BYTE_ARRAY', STRING),
  lane: leafNode({ name: '__lane', repetition: 'required' }, 'BYTE_ARRAY', STRING),
  position: leafNode({ name: '__position', repetition: 'required' }, 'INT64', undefined, { encoding: 'delta' }),
  timestamp: leafNode(
    { name: '__timestamp', repetition: 'required' },
    'INT64',
    { kind: 'timestamp', unit: 'micros', isUtc: true },
    { encoding: 'delta' },
  ),
  key: leafNode({ name: '__key', repetition: 'optional' }, 'BYTE_ARRAY'),
  headers: headersNode(HEADERS),
  id: leafNode({ name: '__id', repetition: 'optional' }, 'BYTE_ARRAY', STRING),
}

/** Columns of what stands beside the values; where a value has a column of that name, more underscores tell them apart. */
export function extraNodes(extras: readonly ExtraColumn[], values: readonly SchemaNode[]): SchemaNode[] {
  const taken = new Set(values.map(({ name }) => name))
  return extras.map((extra) => {
    const node = nodes[extra]
    let { name } = node
    while (taken.has(name)) name = `_${name}`
    return { ...node, name }
  })
}

/** How many columns they have. */
export const extraColumnCount = (extras: readonly ExtraColumn[]): number => leavesOf(extras.map((extra) => nodes[extra])).length

/** Bytes that they have of these messages, about. */
export function extraBytes(
  extras: readonly ExtraColumn[],
  { count, keyStart, keyEnd, headerFrom, ...batch }: MessageBatch,
): number {
  let bytes = 0
  if (extras.includes('key')) for (let row = 0; row < count; row++) bytes += keyEnd[row]! - keyStart[row]!
  if (!extras.includes('headers')) return bytes
  const { headerNameStart, headerNameEnd, headerValueStart, headerValueEnd } = batch
  for (let header = headerFrom[0]!; header < headerFrom[count]!; header++) {
    bytes += headerNameEnd[header]! - headerNameStart[header]! + headerValueEnd[header]! - headerValueStart[header]!
  }
  return bytes
}

/** Writes them for all messages of the lane, to the first of the columns. */
export function writeExtras(
  { extras, origin }: { readonly extras: readonly ExtraColumn[]; readonly origin: EncoderOptions['origin'] },
  builders: readonly ColumnBuilder[],
  batch: MessageBatch,
): void {
  let column = 0
  for (const extra of extras) {
    const builder = builders[column++]!
    if (extra === 'key') writeSpans(builder, batch, batch.keyStart, batch.keyEnd)
    else if (extra === 'id') writeSpans(builder, batch, batch.idStart, batch.idEnd)
    else if (extra === 'topic' || extra === 'lane') writeText(builder, batch.count, origin?.[extra] ?? '')
    else if (extra === 'headers') writeHeaders(builder, builders[column++]!, batch, HEADERS)
    else if (extra === 'position') writeNumbers(builder, batch.positions, putWhole)
    else writeNumbers(builder, batch.timestamps, putMicros)
  }
}

function writeNumbers(
  builder: ColumnBuilder,
  numbers: Float64Array,
  put: (builder: ColumnBuilder, number: number) => void,
): void {
  for (const number of numbers) put(builder, number)
  builder.addLevels(numbers.length, undefined, undefined)
}

function writeText(builder: ColumnBuilder, count: number, content: string): void {
  for (let row = 0; row < count; row++) {
    builder.pushText(content)
    builder.addLevel(0, 0)
  }
}

function writeSpans(builder: ColumnBuilder, { bytes, count }: MessageBatch, starts: Int32Array, ends: Int32Array): void {
  for (let row = 0; row < count; row++) {
    const start = starts[row]!
    if (start >= 0) builder.pushBytes(bytes, start, ends[row]! - start)
    builder.addLevel(start >= 0 ? 1 : 0, 0)
  }
}
