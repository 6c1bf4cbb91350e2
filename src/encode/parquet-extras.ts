import type { MessageBatch } from '../batch/batch.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { putMicros, putWhole } from './parquet-micros.ts'
import type { LeafNode, SchemaNode } from './parquet-schema.ts'
import { leafNode } from './parquet-nodes.ts'
import type { ExtraColumn } from './segment-format.ts'

const nodes: Readonly<Record<ExtraColumn, LeafNode>> = {
  position: leafNode({ name: '__position', repetition: 'required' }, 'INT64', undefined, { encoding: 'delta' }),
  timestamp: leafNode(
    { name: '__timestamp', repetition: 'required' },
    'INT64',
    { kind: 'timestamp', unit: 'micros', isUtc: true },
    { encoding: 'delta' },
  ),
  key: leafNode({ name: '__key', repetition: 'optional' }, 'BYTE_ARRAY'),
}

/** Columns of what stands beside the values; where a value has a column of that name, one more underscore tells them apart. */
export function extraNodes(extras: readonly ExtraColumn[], values: readonly SchemaNode[]): SchemaNode[] {
  return extras.map((extra) => {
    const node = nodes[extra]
    return values.some(({ name }) => name === node.name) ? { ...node, name: `_${node.name}` } : node
  })
}

/** Writes them for all messages, to the first of the columns. */
export function writeExtras(extras: readonly ExtraColumn[], builders: readonly ColumnBuilder[], batch: MessageBatch): void {
  for (const [i, extra] of extras.entries()) {
    if (extra === 'key') writeKeys(builders[i]!, batch)
    else if (extra === 'position') writeNumbers(builders[i]!, batch.positions, putWhole)
    else writeNumbers(builders[i]!, batch.timestamps, putMicros)
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

function writeKeys(builder: ColumnBuilder, { bytes, count, keyStart, keyEnd }: MessageBatch): void {
  for (let row = 0; row < count; row++) {
    const start = keyStart[row]!
    if (start >= 0) builder.pushBytes(bytes, start, keyEnd[row]! - start)
    builder.addLevel(start >= 0 ? 1 : 0, 0)
  }
}
