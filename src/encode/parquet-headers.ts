import { isUtf8 } from 'node:buffer'
import type { MessageBatch } from '../batch/batch.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import type { SchemaNode } from './parquet-schema.ts'
import { leafNode, listNode } from './parquet-nodes.ts'

/** How the headers of messages are a column: what a header's name is called, and whether its value is text, base64 where it is none. */
export interface HeaderColumn {
  readonly name: string
  readonly nameOf: 'name' | 'key'
  readonly isText: boolean
}

/** A list of names with values, which may be null. Its columns are those of the names and the values. */
export const headersNode = ({ name, nameOf, isText }: HeaderColumn): SchemaNode =>
  listNode(
    { name, repetition: 'required' },
    {
      name: 'element',
      repetition: 'required',
      children: [
        leafNode({ name: nameOf, repetition: 'required' }, 'BYTE_ARRAY', { kind: 'string' }),
        leafNode({ name: 'value', repetition: 'optional' }, 'BYTE_ARRAY', isText ? { kind: 'string' } : undefined),
      ],
    },
  )

/** Writes the headers of all messages to the two columns. */
export function writeHeaders(names: ColumnBuilder, values: ColumnBuilder, batch: MessageBatch, { isText }: HeaderColumn): void {
  const { headerFrom, headerNameStart, headerNameEnd, headerValueStart, headerValueEnd, bytes, count } = batch
  for (let row = 0; row < count; row++) {
    const first = headerFrom[row]!
    const end = headerFrom[row + 1]!
    if (first === end) {
      names.addLevel(0, 0)
      values.addLevel(0, 0)
    }
    for (let header = first; header < end; header++) {
      const repetition = header === first ? 0 : 1
      const push = isText ? pushText : pushBytes
      push(names, bytes, headerNameStart[header]!, headerNameEnd[header]!)
      names.addLevel(1, repetition)
      const start = headerValueStart[header]!
      if (start !== -1) push(values, bytes, start, headerValueEnd[header]!)
      values.addLevel(start === -1 ? 1 : 2, repetition)
    }
  }
}

const pushBytes = (column: ColumnBuilder, bytes: Uint8Array, start: number, end: number): void =>
  column.pushBytes(bytes, start, end - start)

function pushText(column: ColumnBuilder, bytes: Uint8Array, start: number, end: number): void {
  const content = bytes.subarray(start, end)
  if (isUtf8(content)) column.pushBytes(bytes, start, end - start)
  else column.pushText(Buffer.from(content).toString('base64'))
}
