import type { MessageBatch } from '../batch/batch.ts'
import { isMillpondError } from '../errors.ts'
import type { ValueKind } from '../values/values.ts'
import { findUnencodable, type UnencodableMessage } from './avro-block.ts'
import type { FormatOptions } from './format-options.ts'
import { readParquetHeader } from './format-parquet.ts'
import { parquetFraming } from './parquet-footer.ts'
import { splitParquetFile } from './parquet-split.ts'
import { createValueEncoder } from './parquet-value-encoder.ts'
import { valueWriter } from './parquet-value-kinds.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import { withBeyondTime } from './record-times.ts'
import { notReadable, type SegmentFormat } from './segment-format.ts'

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
  ...notReadable('value-parquet'),
  split: async (object) => splitParquetFile(object),
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
