/** Beginning and end of a Parquet file. Source of all numbers: Apache Parquet format 2.12, `parquet.thrift` and BloomFilter.md, read 2026-11. */
import type { ParquetBlock } from './block.ts'
import { codecNumbers } from './parquet-page.ts'
import type { ChunkSummary, RowGroup } from './parquet-row-group.ts'
import { leavesOf, type LeafColumn, physicalTypes, schemaElements } from './parquet-schema.ts'
import { binary, i16, i32, i64, list, struct, text, type Thrift, thriftBytes, truth } from './parquet-thrift.ts'
import type { SegmentFraming } from './segment-format.ts'

/** What every Parquet file begins and ends with. */
export const MAGIC = new TextEncoder().encode('PAR1')

/** Under this name a footer says what its file holds, in hexadecimal. */
export const CONTENT_NAME = 'io.millpond.content'

/** What is said of the whole file. */
export interface FileDescription {
  /** Any text by name. */
  readonly about: Readonly<Record<string, string>>
  /** The column that rises from row to row; undefined where none does. */
  readonly sortedBy: number | undefined
}

interface PlacedGroup extends RowGroup {
  readonly offset: number
  readonly count: number
  readonly codec: ParquetBlock['codec']
}

/** A file of row groups, one behind the other, of which the first tells the schema; filters and footer come last. */
export function parquetFraming(description: FileDescription): SegmentFraming {
  const groups: PlacedGroup[] = []
  let end = MAGIC.byteLength
  return {
    header: MAGIC,
    frame(block) {
      const { count, codec, rowGroup, bytes } = block as ParquetBlock
      groups.push({ ...rowGroup, offset: end, count, codec })
      end += bytes.byteLength
      return [bytes]
    },
    trailer: () => trailerOf(description, groups, end),
  }
}

interface Filter {
  readonly offset: number
  readonly bytes: number
}

function trailerOf(description: FileDescription, groups: readonly PlacedGroup[], start: number): Uint8Array {
  const pieces: Uint8Array[] = []
  let end = start
  const placeFilter = (bits: Uint8Array): Filter => {
    const header = filterHeader(bits.byteLength)
    const bytes = header.byteLength + bits.byteLength
    pieces.push(header, bits)
    end += bytes
    return { offset: end - bytes, bytes }
  }
  const schema = groups[0]?.schema ?? []
  const leaves = leavesOf(schema)
  const rowGroups = groups.map((group, ordinal) => {
    const filters = new Map([...group.filters].map(([column, bits]) => [column, placeFilter(bits)]))
    return rowGroup(description, leaves, { group, ordinal, filters })
  })
  const content = groups.at(-1)?.told?.content
  const about = { ...description.about, ...(content && { [CONTENT_NAME]: Buffer.from(content).toString('hex') }) }
  const footer = thriftBytes(
    struct({
      1: i32(2),
      2: list(schemaElements(schema)),
      3: i64(groups.reduce((sum, { count }) => sum + count, 0)),
      4: list(rowGroups),
      5: list(Object.entries(about).map(([key, value]) => struct({ 1: text(key), 2: text(value) }))),
      6: text('millpond'),
      // The bounds of every column are in the order of its type.
      7: list(leaves.map(() => struct({ 1: struct({}) }))),
    }),
  )
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, footer.byteLength, true)
  return Buffer.concat([...pieces, footer, length, MAGIC])
}

/** Split blocks, XXH64, not compressed. */
const filterHeader = (bytes: number): Uint8Array =>
  thriftBytes(struct({ 1: i32(bytes), 2: struct({ 1: struct({}) }), 3: struct({ 1: struct({}) }), 4: struct({ 1: struct({}) }) }))

interface GroupPlace {
  readonly group: PlacedGroup
  readonly ordinal: number
  readonly filters: ReadonlyMap<number, Filter>
}

function rowGroup({ sortedBy }: FileDescription, leaves: readonly LeafColumn[], { group, ordinal, filters }: GroupPlace): Thrift {
  let { offset } = group
  const columns = leaves.map((leaf, column) => {
    const chunk = group.columns[column]!
    const metadata = columnMetadata(leaf, chunk, { offset, codec: group.codec, filter: filters.get(column) })
    offset += chunk.bytes
    return struct({ 2: i64(0), 3: metadata })
  })
  return struct({
    1: list(columns),
    2: i64(group.columns.reduce((sum, { rawBytes }) => sum + rawBytes, 0)),
    3: i64(group.count),
    4: sortedBy === undefined ? undefined : list([struct({ 1: i32(sortedBy), 2: truth(false), 3: truth(false) })]),
    5: i64(group.offset),
    6: i64(offset - group.offset),
    // It has 16 bits.
    7: ordinal < 0x8000 ? i16(ordinal) : undefined,
  })
}

interface ChunkPlace {
  readonly offset: number
  readonly codec: ParquetBlock['codec']
  readonly filter: Filter | undefined
}

function columnMetadata(leaf: LeafColumn, chunk: ChunkSummary, { offset, codec, filter }: ChunkPlace): Thrift {
  return struct({
    1: i32(physicalTypes[leaf.type]),
    2: list(chunk.encodings.map(i32)),
    3: list(leaf.path.map(text)),
    4: i32(codecNumbers[codec]),
    5: i64(chunk.count),
    6: i64(chunk.rawBytes),
    7: i64(chunk.bytes),
    9: i64(offset + chunk.dictionaryBytes),
    11: chunk.dictionaryBytes === 0 ? undefined : i64(offset),
    12: statistics(chunk),
    14: filter === undefined ? undefined : i64(filter.offset),
    15: filter === undefined ? undefined : i32(filter.bytes),
  })
}

const statistics = ({ nullCount, bounds }: ChunkSummary): Thrift =>
  struct({
    3: i64(nullCount),
    5: bounds && binary(bounds.max),
    6: bounds && binary(bounds.min),
    7: bounds && truth(true),
    8: bounds && truth(true),
  })
