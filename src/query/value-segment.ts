import { type AvroType, parseAvroSchema } from '../values/avro/schema.ts'
import { parseContainerHeader } from '../encode/avro-container.ts'
import { delimiterBytes, type FormatOptions } from '../encode/format-options.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { Format } from '../encode/block.ts'
import type { BlockEntry } from '../encode/segment.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { IndexedSegment } from '../index/segment-index.ts'
import type { ReadContext } from '../search/context.ts'
import { avroColumns } from './avro-types.ts'
import { readAvroRows } from './avro-rows.ts'
import { CellBuilder, type WireColumn } from './column-builder.ts'
import { firstRow, learnTable, readTableRows, splitRaw, tableNames } from './csv-rows.ts'
import { lineStarts, linesOfArray, readJsonRows } from './json-rows.ts'
import type { ParquetReader } from './parquet-reader.ts'
import { type ColumnType, type ValueColumn, wireOf } from './value-types.ts'

/** The name under which values of `value-json` are asked for as they are. */
export const WHOLE_LINE = '\0line'
/** The column of the format `raw`. */
export const RAW_COLUMN = 'value'

/** What a block gave. */
export interface BlockRows {
  readonly count: number
  readonly columns: ReadonlyMap<string, WireColumn>
}

/** The columns of a topic that are wanted, with their types in the topic. */
export interface WantedColumns {
  readonly types: ReadonlyMap<string, ColumnType>
  /** Whether values of `value-json` are objects whose fields are the columns. */
  readonly isRecord: boolean
}

/** An object of values that was opened. */
export interface ValueSegment {
  /** Undefined where only its values say them. */
  readonly columns?: readonly ValueColumn[]
  /** @throws MillpondError `BLOCK_CORRUPT`, `QUERY_FAILED`. */
  read(stored: Uint8Array, block: BlockEntry, wanted: WantedColumns): Promise<BlockRows>
}

/** What opening objects needs to know. */
export interface ValueOptions {
  /** How lines are written; objects in `csv` and `raw` do not say it themselves. */
  readonly formatOptions: FormatOptions
  readonly openParquet: () => Promise<ParquetReader>
  /** Whether the columns of the object are to be learnt, types included; otherwise those of lines are only named. */
  readonly learns?: true
}

/** Opens an object of values, of which no more is read than where it says its columns. @throws MillpondError `SEGMENT_CORRUPT`, `FORMAT_UNSUPPORTED`. */
export async function openValueSegment(
  context: ReadContext,
  segment: IndexedSegment,
  options: ValueOptions,
): Promise<ValueSegment> {
  const { format } = segment
  if (format === 'value-avro') return avroSegment(segment, await readRange(context, segment, 0, segment.blocks[0]!.offset))
  if (format === 'value-parquet') {
    const { offset, bytes } = segment.blocks.at(-1)!
    return parquetSegment(await readRange(context, segment, offset + bytes, segment.bytes), await options.openParquet())
  }
  if (isOfJson(format)) return jsonSegment(segment)
  return format === 'csv' ? csvSegment(context, segment, options) : rawSegment(segment, options.formatOptions)
}

/** What goes wrong with an object of values, with its name. */
export async function namingObject<T>({ key }: IndexedSegment, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    // What a schema does not describe was written by nobody: values are checked before.
    const code = isMillpondError(error, 'INPUT_INVALID') ? 'BLOCK_CORRUPT' : undefined
    const isPlain = isMillpondError(error) && ['QUERY_FAILED', 'BLOCK_CORRUPT', 'SEGMENT_CORRUPT'].includes(error.code)
    if (!isMillpondError(error) || (code === undefined && !isPlain)) throw error
    const message = error.message.includes(key) ? error.message : `object ${key}: ${error.message}`
    throw new MillpondError(code ?? error.code, message, { cause: error, details: { ...error.details, key } })
  }
}

async function readRange({ store, counters, signal }: ReadContext, { key }: IndexedSegment, start: number, end: number) {
  const bytes = await store.read(key, { start, end }, signal)
  counters.bytesRead += bytes.byteLength
  return bytes
}

const rawOf = (segment: IndexedSegment, stored: Uint8Array): Promise<Uint8Array> =>
  segmentFormat(segment.format).rawOf!(stored, segment.codec)

/** Whether blocks of the format are values as JSON, which say their columns themselves. */
export const isOfJson = (format: Format): boolean => format === 'value-json' || format === 'value-json-array'

/** The lines of JSON of a block. */
export async function jsonLines(segment: IndexedSegment, stored: Uint8Array): Promise<Uint8Array> {
  const bytes = await rawOf(segment, stored)
  return segment.format === 'value-json-array' ? linesOfArray(bytes) : bytes
}

/** Runs `fill` with cells for the wanted columns that the object has; those that it has not are null. */
async function fillWanted(
  { types }: WantedColumns,
  count: number,
  fill: (cellsOf: (column: string) => CellBuilder | undefined) => Promise<void> | void,
): Promise<BlockRows> {
  const builders = new Map<string, CellBuilder>()
  await fill((column) => {
    const type = types.get(column)
    if (type === undefined) return undefined
    const cells = new CellBuilder(type, count)
    builders.set(column, cells)
    return cells
  })
  const columns = new Map<string, WireColumn>()
  for (const [name, type] of types) columns.set(name, finished(builders.get(name), count) ?? nullColumn(type, count))
  return { count, columns }
}

function finished(cells: CellBuilder | undefined, count: number): WireColumn | undefined {
  if (cells === undefined || cells.row === count) return cells?.finish()
  throw new MillpondError('BLOCK_CORRUPT', `it holds ${cells.row} values, its commit says ${count}`)
}

function nullColumn(type: ColumnType, count: number): WireColumn {
  if (wireOf(type) !== 'bytes') {
    const cells = new CellBuilder(type, count)
    for (let row = 0; row < count; row++) cells.putNull()
    return cells.finish()
  }
  return { wire: 'bytes', bytes: new Uint8Array(0), starts: new Int32Array(count).fill(-1), ends: new Int32Array(count) }
}

/** Schemas that were read, by their text: most objects of a topic have the same. */
const knownSchemas = new Map<string, AvroType>()
const MAX_KNOWN_SCHEMAS = 1000

function avroSegment(segment: IndexedSegment, header: Uint8Array): ValueSegment {
  const schema = parseContainerHeader(header)?.schema
  if (schema === undefined) throw new MillpondError('SEGMENT_CORRUPT', `${segment.key} has no header of an Avro container file`)
  const type = knownSchemas.get(schema) ?? parseAvroSchema(schema)
  if (knownSchemas.size >= MAX_KNOWN_SCHEMAS) knownSchemas.clear()
  knownSchemas.set(schema, type)
  return {
    columns: avroColumns(type),
    read: async (stored, { count }, wanted) => {
      const data = await rawOf(segment, stored)
      return fillWanted(wanted, count, (cellsOf) => readAvroRows(type, data, count, cellsOf))
    },
  }
}

function parquetSegment(footer: Uint8Array, parquet: ParquetReader): ValueSegment {
  const file = parquet.open(footer)
  return {
    columns: file.columns,
    read: (stored, { offset, count }, wanted) => fillWanted(wanted, count, (cellsOf) => file.readGroup(stored, offset, cellsOf)),
  }
}

function jsonSegment(segment: IndexedSegment): ValueSegment {
  return {
    async read(stored, block, wanted) {
      const bytes = await jsonLines(segment, stored)
      const starts = lineStarts(bytes)
      const count = starts.length - 1
      if (count !== block.count)
        throw new MillpondError('BLOCK_CORRUPT', `it holds ${count} lines, its commit says ${block.count}`)
      const rows = await fillWanted(wanted, count, (cellsOf) => {
        const cells = new Map<string, CellBuilder>()
        for (const name of wanted.types.keys()) if (name !== WHOLE_LINE) cells.set(name, cellsOf(name)!)
        if (cells.size > 0) readJsonRows(bytes, starts, cells, wanted.isRecord)
      })
      if (!wanted.types.has(WHOLE_LINE)) return rows
      const whole = new Map(rows.columns).set(WHOLE_LINE, linesOf(bytes, starts))
      return { count, columns: whole }
    },
  }
}

/** Whole lines without their ends. The bytes are a copy: those that came out of a codec may not be given away. */
function linesOf(bytes: Uint8Array, starts: Int32Array<ArrayBuffer>): WireColumn {
  const ends = Int32Array.from({ length: starts.length - 1 }, (_, line) => starts[line + 1]! - 1)
  return { wire: 'bytes', bytes: Uint8Array.from(bytes), starts: starts.slice(0, -1), ends, isText: true }
}

async function csvSegment(
  context: ReadContext,
  segment: IndexedSegment,
  { formatOptions, learns }: ValueOptions,
): Promise<ValueSegment> {
  const separator = (formatOptions.delimiter ?? ',').charCodeAt(0)
  const [first] = segment.blocks
  const header = first!.offset > 0 ? await rawOf(segment, await readRange(context, segment, 0, first!.offset)) : undefined
  const given = header === undefined ? undefined : firstRow(header, separator)
  const sampled = given === undefined || learns === true
  const rows = sampled ? await readRange(context, segment, first!.offset, first!.offset + first!.bytes) : undefined
  const sample = rows === undefined ? undefined : await rawOf(segment, rows)
  const names = tableNames(given, formatOptions.fields, sample === undefined ? 0 : firstRow(sample, separator).length)
  const table = { separator, width: names.length }
  return {
    columns:
      sample === undefined ? names.map((name) => ({ name, type: { kind: 'null' } })) : learnTable(sample, names, separator),
    async read(stored, { count }, wanted) {
      const bytes = await rawOf(segment, stored)
      return fillWanted(wanted, count, (cellsOf) => readTableRows(bytes, table, names.map(cellsOf)))
    },
  }
}

function rawSegment(segment: IndexedSegment, { delimiter = '\n' }: FormatOptions): ValueSegment {
  return {
    columns: [{ name: RAW_COLUMN, type: { kind: 'blob' } }],
    async read(stored) {
      const bytes = Uint8Array.from(await rawOf(segment, stored))
      const { starts, ends } = splitRaw(bytes, delimiterBytes(delimiter))
      return { count: starts.length, columns: new Map([[RAW_COLUMN, { wire: 'bytes', bytes, starts, ends }]]) }
    },
  }
}
