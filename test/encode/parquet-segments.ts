import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import type { MessageBatch } from '../../src/batch/batch.ts'
import type { EncodedBlock, Format } from '../../src/encode/block.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import type { EncoderOptions } from '../../src/encode/segment-format.ts'
import type { PlainMessage } from '../batch/message-arbitrary.ts'

// A byte order mark is text like any other.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A whole file of these batches, and its blocks, which are read one by one. */
export async function parquetSegment(batches: readonly MessageBatch[], options: EncoderOptions, format: Format = 'parquet') {
  const rules = segmentFormat(format)
  const encoder = rules.createEncoder(options)
  const made = batches.flatMap((batch) => encoder.add(batch))
  const last = encoder.flush()
  const blocks: EncodedBlock[] = await Promise.all(last === undefined ? made : [...made, last])
  const codec = options.codec === 'deflate' ? 'gzip' : options.codec
  const builder = createSegmentBuilder({ format, codec, sync: new Uint8Array(16) })
  const chunks = [{ bytes: builder.header }, ...blocks.flatMap((block) => builder.append(block)), ...builder.end()]
  const file = new Uint8Array(Buffer.concat(chunks.map(({ bytes }) => bytes)))
  const { entry } = builder.finish('x', {})
  const read = (bytes: Uint8Array) => rules.readBlock(bytes, codec, rules.readHeader(file))
  const readBlocks = () => Promise.all(entry.blocks.map(({ offset, bytes }) => read(file.subarray(offset, offset + bytes))))
  return { file, blocks, entry, read, readBlocks }
}

interface Row {
  readonly position: bigint
  readonly timestamp: bigint
  readonly key: Uint8Array | null | undefined
  readonly value: Uint8Array | null | undefined
  readonly id: string | null | undefined
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null | undefined }[]
}

/** The messages of a file as hyparquet reads them, which goes by its footer. */
export async function rowsOf(file: Uint8Array): Promise<PlainMessage[]> {
  const buffer = Uint8Array.from(file).buffer
  const rows = (await parquetReadObjects({
    file: buffer,
    compressors,
    utf8: false,
    parsers: { timestampFromMicroseconds: (micros) => micros / 1000n, stringFromBytes: (bytes) => decoder.decode(bytes) },
  })) as unknown as Row[]
  const bytes = (value: Uint8Array | null | undefined) => (value ? [...value] : null)
  return rows.map(({ position, timestamp, key, value, id, headers }) => ({
    position: Number(position),
    timestamp: Number(timestamp),
    key: bytes(key),
    value: bytes(value),
    id: id ?? null,
    headers: headers.map((header) => ({ name: header.name, value: bytes(header.value) })),
  }))
}

/** A value that `toEqual` compares: bytes as arrays of numbers, numbers as long as they are safe, times as text. */
export type Cell = string | number | boolean | null | readonly Cell[] | { readonly [name: string]: Cell }

/** The rows of a file as hyparquet reads them, which goes by its footer. */
export async function tableOf(file: Uint8Array): Promise<Cell[]> {
  const rows = await parquetReadObjects({
    file: Uint8Array.from(file).buffer,
    compressors,
    utf8: false,
    parsers: {
      timestampFromMilliseconds: (millis) => millis,
      timestampFromMicroseconds: (micros) => micros,
      stringFromBytes: (bytes) => bytes && decoder.decode(bytes),
    },
  })
  return rows.map(cellOf)
}

function cellOf(value: unknown): Cell {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Uint8Array) return [...value]
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(cellOf)
  if (typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, cellOf(inner)]))
  return value as Cell
}
