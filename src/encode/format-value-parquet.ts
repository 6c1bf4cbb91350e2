import type { MessageBatch } from '../batch/batch.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { ValueKind } from '../values/values.ts'
import { findUnencodable, type UnencodableMessage } from './avro-block.ts'
import type { FormatOptions } from './format-options.ts'
import { readParquetHeader } from './format-parquet.ts'
import { createContentEncoder, valueContent } from './parquet-content.ts'
import { CONTENT_NAME, parquetFraming } from './parquet-footer.ts'
import { readParquetObject } from './parquet-object.ts'
import { readPage } from './parquet-page.ts'
import { createValueEncoder } from './parquet-value-encoder.ts'
import { valueWriter } from './parquet-value-kinds.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import { withBeyondTime } from './record-times.ts'
import { type ContentRules, notReadable, type SegmentFormat } from './segment-format.ts'

const content: ContentRules = {
  createEncoder: (options) => createContentEncoder(valueContent(options), 'value-parquet', options),
  async read(object, blocks) {
    const { codec, about } = readParquetObject(object)
    const told = about.get(CONTENT_NAME)
    if (told === undefined) throw new MillpondError('SEGMENT_CORRUPT', 'it does not tell what it holds')
    // That its pages are whole is all that can be seen of them.
    for (const { offset, bytes } of blocks) {
      const stored = object.subarray(offset, offset + bytes)
      for (let at = 0; at < bytes;) at = readPage(stored, at).end
    }
    return { content: Buffer.from(told, 'hex'), codec, filters: [] }
  },
}

/** Parquet files whose columns are the fields of the values; see docs/formats.md. */
export const valueParquetFormat: SegmentFormat = {
  extension: () => 'parquet',
  codecs: ['zstandard', 'gzip', 'snappy', 'null'],
  keepsAll: false,
  byKind: true,
  mixesCodecs: false,
  hasTrailer: true,
  createEncoder: createValueEncoder,
  findUnencodable: (batch, options, kind) =>
    withBeyondTime(batch, inOrder([...findUnfit(batch, checkerOf(kind)), ...findNoText(batch, options)])),
  openFraming: (_codec, _sync, kind) =>
    parquetFraming({
      about: { 'io.millpond.format': 'value', ...(kind && kind.type !== 'none' && schemaText(kind)) },
      sortedBy: undefined,
    }),
  readHeader: readParquetHeader,
  split: async (object) => readParquetObject(object).blocks,
  content,
  ...notReadable('value-parquet'),
}

/** The schema that the columns were made from. */
const schemaText = ({ type, name, text }: ValueKind): Record<string, string> => ({
  'io.millpond.schema-type': type,
  ...(name !== undefined && { 'io.millpond.schema-name': name }),
  'io.millpond.schema': text,
})

/** Writers that check values: one a kind. */
const checkers = new WeakMap<ValueKind, ValueWriter>()
const anyValue = valueWriter(undefined, { columns: [] })

function checkerOf(kind: ValueKind | undefined): ValueWriter {
  if (kind === undefined || kind.type === 'none') return anyValue
  let checker = checkers.get(kind)
  if (checker === undefined) {
    checker = valueWriter(kind, { columns: [] })
    checkers.set(kind, checker)
  }
  return checker
}

/** Ids and names of headers that no column of text can hold. */
const findNoText = (batch: MessageBatch, { extraColumns = [] }: FormatOptions = {}): UnencodableMessage[] =>
  extraColumns.includes('headers') || extraColumns.includes('id') ? findUnencodable(batch) : []

/** One entry a message, rising by row. */
function inOrder(found: readonly UnencodableMessage[]): UnencodableMessage[] {
  const byRow = new Map(found.toReversed().map((one) => [one.row, one]))
  return [...byRow.values()].sort((a, b) => a.row - b.row)
}

function findUnfit(batch: MessageBatch, checker: ValueWriter): UnencodableMessage[] {
  const found: UnencodableMessage[] = []
  checker.begin(batch)
  for (let row = 0; row < batch.count; row++) {
    const start = batch.valueStart[row]!
    if (start === -1) {
      found.push({ row, reason: 'the value is null' })
      continue
    }
    try {
      checker.check(batch, row, start)
    } catch (error) {
      if (!isMillpondError(error, 'INPUT_INVALID')) throw error
      found.push({ row, reason: `the value does not fit its schema: ${error.message}` })
    }
  }
  return found
}
