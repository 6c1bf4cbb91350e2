import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import type { ParquetBlock } from './block.ts'
import type { BlockEncoder } from './block-encoder.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { extend, type GroupExtent, extentOf, openExtent } from './group-extent.ts'
import { siblingContent } from './parquet-content.ts'
import { extraBytes } from './parquet-extras.ts'
import { createGroupWriter, groupBytes } from './parquet-group.ts'
import { type HeaderColumn, headersNode, writeHeaders } from './parquet-headers.ts'
import { pageCodec } from './parquet-page.ts'
import { leavesOf, type SchemaNode } from './parquet-schema.ts'
import { leafNode } from './parquet-nodes.ts'
import type { EncoderOptions } from './segment-format.ts'

/** Rows between two looks at whether pages are full. */
const CHUNK_ROWS = 1024
const ROW_BYTES = 8

/** `headers` as Kafka Connect's sinks have it, a list of `key` and `value`, both text. */
const HEADERS: HeaderColumn = { name: 'headers', nameOf: 'key', isText: true }

interface Columns {
  readonly schema: readonly SchemaNode[]
  readonly write: (columns: readonly ColumnBuilder[], batch: MessageBatch) => void
}

const headerColumns: Columns = {
  schema: [headersNode(HEADERS)],
  write: ([names, values], batch) => writeHeaders(names!, values!, batch, HEADERS),
}

const keyColumn = (isText: boolean): Columns => ({
  schema: [leafNode({ name: 'key', repetition: 'optional' }, 'BYTE_ARRAY', isText ? { kind: 'string' } : undefined)],
  write([column], { bytes, count, keyStart, keyEnd }) {
    for (let row = 0; row < count; row++) {
      const start = keyStart[row]!
      if (start >= 0) column!.pushBytes(bytes, start, keyEnd[row]! - start)
      column!.addLevel(start >= 0 ? 1 : 0, 0)
    }
  },
})

interface Filling extends GroupExtent {
  readonly builders: readonly ColumnBuilder[]
  bytes: number
}

/** An encoder of row groups of the keys of messages, which are text or bytes, or of their headers. */
export function createSiblingEncoder(
  role: 'keys' | 'headers',
  { isTextKey, ...options }: EncoderOptions & { readonly isTextKey: boolean },
): BlockEncoder<ParquetBlock> {
  const { schema, write } = role === 'headers' ? headerColumns : keyColumn(isTextKey)
  const writer = createGroupWriter(leavesOf(schema), options)
  const mostBytes = groupBytes(options.blockBytes)
  const schemaId = JSON.stringify(schema)
  const content = options.tellsContent === true ? siblingContent(role) : undefined
  let filling: Filling | undefined
  const close = async ({ builders, ...full }: Filling): Promise<ParquetBlock> => {
    const told = content && { told: { content: content.digest(), first: undefined } }
    const { bytes, rawBytes, columns } = await writer.close(builders)
    const rowGroup = { schema, schemaId, columns, filters: new Map<number, Uint8Array>(), ...told }
    return { ...extentOf(full), format: 'value-parquet', codec: pageCodec(options.codec), bytes, rawBytes, filters: [], rowGroup }
  }
  const flush = () => {
    const full = filling
    filling = undefined
    return full && close(full)
  }
  return {
    get pendingCount() {
      return filling?.count ?? 0
    },
    get pendingBytes() {
      return filling?.bytes ?? 0
    },
    add(batch) {
      const blocks: Promise<ParquetBlock>[] = []
      for (let row = 0; row < batch.count; row += CHUNK_ROWS) {
        const chunk = sliceBatch(batch, row, Math.min(batch.count, row + CHUNK_ROWS))
        filling ??= { builders: writer.open(), bytes: 0, ...openExtent() }
        for (const builder of filling.builders) builder.beginRows(0)
        write(filling.builders, chunk)
        content?.add(chunk)
        extend(filling, chunk)
        filling.bytes += extraBytes([role === 'keys' ? 'key' : 'headers'], chunk) + ROW_BYTES * chunk.count
        if (filling.bytes >= mostBytes) blocks.push(flush()!)
      }
      return blocks
    },
    flush,
  }
}
