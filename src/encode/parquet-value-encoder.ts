import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import { idAt, keyAt } from '../batch/view.ts'
import { MillpondError } from '../errors.ts'
import type { ParquetBlock } from './block.ts'
import type { BlockEncoder } from './block-encoder.ts'
import { forgetJsonValues } from '../values/json/value.ts'
import type { ExtraColumn } from './format-options.ts'
import { extend, type GroupExtent, extentOf, openExtent } from './group-extent.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { type Content, valueContent } from './parquet-content.ts'
import { extraBytes, extraColumnCount, extraNodes, writeExtras } from './parquet-extras.ts'
import { createGroupWriter, groupBytes, type GroupWriter } from './parquet-group.ts'
import { pageCodec } from './parquet-page.ts'
import type { ToldOfGroup } from './parquet-row-group.ts'
import { leavesOf, type SchemaNode } from './parquet-schema.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import { valueWriter } from './parquet-value-kinds.ts'
import type { ColumnTarget } from './parquet-plan.ts'
import type { EncoderOptions } from './segment-format.ts'

/** Rows between two looks at whether pages are full. */
const CHUNK_ROWS = 1024
/** Bytes of a message beside its value. */
const ROW_BYTES = 16

/** Columns of the schema as it is now. */
interface Columns {
  readonly schema: readonly SchemaNode[]
  readonly schemaId: string
  readonly writer: GroupWriter
}

/** A row group that is filling. */
interface Filling extends GroupExtent {
  readonly columns: Columns
  readonly builders: readonly ColumnBuilder[]
  first: ToldOfGroup['first']
  bytes: number
}

/** Rows that wait until enough were seen to know what they look like. */
interface Held {
  chunks: MessageBatch[]
  bytes: number
  count: number
}

/** An encoder of row groups of values. All of them must have passed `findUnencodable`. It keeps the batches it takes while it learns from them. */
export function createValueEncoder(options: EncoderOptions): BlockEncoder<ParquetBlock> {
  const { blockBytes, origin, tellsContent = false } = options
  const extras = options.formatOptions?.extraColumns ?? []
  const mostBytes = groupBytes(blockBytes)
  const target: ColumnTarget = { columns: [] }
  const values = valueWriter(options.kind, target)
  let columns: Columns | undefined
  let told: { readonly schemaId: string; readonly content: Content } | undefined
  let filling: Filling | undefined
  let held: Held | undefined = values.learn && { chunks: [], bytes: 0, count: 0 }
  let lastPosition = -Infinity

  const open = (): Filling => {
    if (columns === undefined) {
      const schema = [...extraNodes(extras, values.schema), ...values.schema]
      columns = { schema, schemaId: JSON.stringify(schema), writer: createGroupWriter(leavesOf(schema), options) }
    }
    // A file ends with its schema.
    const { schemaId } = columns
    if (tellsContent && told?.schemaId !== schemaId) told = { schemaId, content: valueContent(options) }
    const builders = columns.writer.open()
    target.columns = builders.slice(extraColumnCount(extras))
    return { columns, builders, first: undefined, bytes: 0, ...openExtent() }
  }
  const close = async (full: Filling): Promise<ParquetBlock> => {
    const { schema, schemaId, writer } = full.columns
    const about = told && { told: { content: told.content.digest(), first: full.first } }
    const { bytes, rawBytes, columns: summaries } = await writer.close(full.builders)
    const rowGroup = { schema, schemaId, columns: summaries, filters: new Map<number, Uint8Array>(), ...about }
    return { ...extentOf(full), format: 'value-parquet', codec: pageCodec(options.codec), bytes, rawBytes, filters: [], rowGroup }
  }
  const closeFilling = (blocks: Promise<ParquetBlock>[]) => {
    if (filling === undefined || filling.count === 0) return
    blocks.push(close(filling))
    filling = undefined
  }
  const write = (chunk: MessageBatch, bytes: number, blocks: Promise<ParquetBlock>[]) => {
    if (filling !== undefined && filling.bytes + bytes > mostBytes) closeFilling(blocks)
    filling ??= open()
    for (const builder of filling.builders) builder.beginRows(0)
    writeExtras({ extras, origin }, filling.builders, chunk)
    writeValues(values, chunk)
    told?.content.add(chunk)
    if (told !== undefined) filling.first ??= firstOf(chunk)
    extend(filling, chunk)
    filling.bytes += bytes
    if (filling.bytes >= mostBytes) closeFilling(blocks)
  }
  const writeHeld = (blocks: Promise<ParquetBlock>[]) => {
    if (held === undefined || held.count === 0) return
    const { chunks } = held
    held = undefined
    columns = undefined
    for (const chunk of chunks) write(chunk, chunkBytes(chunk, extras), blocks)
  }
  /** Lets the values be seen; true where they are to wait for more. */
  const learn = (chunk: MessageBatch, bytes: number, blocks: Promise<ParquetBlock>[]) => {
    if (values.learn === undefined) return false
    const isNew = values.learn(chunk, 0, chunk.count)
    if (held === undefined && !isNew) return false
    // Rows before it have a schema that is no longer the last one.
    closeFilling(blocks)
    held ??= { chunks: [], bytes: 0, count: 0 }
    held.chunks.push(chunk)
    held.bytes += bytes
    held.count += chunk.count
    if (held.bytes >= Math.min(blockBytes, mostBytes)) writeHeld(blocks)
    return true
  }

  return {
    get pendingCount() {
      return (filling?.count ?? 0) + (held?.count ?? 0)
    },
    get pendingBytes() {
      return (filling?.bytes ?? 0) + (held?.bytes ?? 0)
    },
    add(batch) {
      const blocks: Promise<ParquetBlock>[] = []
      for (let row = 0; row < batch.count; row += CHUNK_ROWS) {
        const chunk = sliceBatch(batch, row, Math.min(batch.count, row + CHUNK_ROWS))
        lastPosition = checkPositions(chunk, lastPosition)
        const bytes = chunkBytes(chunk, extras)
        if (!learn(chunk, bytes, blocks)) write(chunk, bytes, blocks)
      }
      forgetJsonValues(batch)
      return blocks
    },
    flush() {
      const blocks: Promise<ParquetBlock>[] = []
      writeHeld(blocks)
      closeFilling(blocks)
      return blocks[0]
    },
  }
}

/** @throws MillpondError `POSITION_INVALID` where they do not rise. */
function checkPositions({ positions, count }: MessageBatch, before: number): number {
  let last = before
  for (let row = 0; row < count; row++) {
    if (!(positions[row]! > last))
      throw new MillpondError('POSITION_INVALID', `position ${positions[row]} does not follow ${last}`)
    last = positions[row]!
  }
  return last
}

const firstOf = (batch: MessageBatch): ToldOfGroup['first'] => ({
  timestampMs: batch.timestamps[0]!,
  // Its own: the row group must not keep the batch.
  key: keyAt(batch, 0)?.slice(),
  id: idAt(batch, 0) ?? undefined,
})

function chunkBytes(chunk: MessageBatch, extras: readonly ExtraColumn[]): number {
  const { count, valueStart, valueEnd } = chunk
  let bytes = ROW_BYTES * count + (extras.length === 0 ? 0 : extraBytes(extras, chunk))
  for (let row = 0; row < count; row++) bytes += valueEnd[row]! - valueStart[row]!
  return bytes
}

function writeValues(values: ValueWriter, chunk: MessageBatch): void {
  values.begin(chunk)
  for (let row = 0; row < chunk.count; row++) values.write(chunk, row, chunk.valueStart[row]!)
}
