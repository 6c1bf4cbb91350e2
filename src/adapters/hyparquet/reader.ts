import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type * as Hyparquet from 'hyparquet'
import type { Compressors, FileMetaData, RowGroup, SchemaElement, SchemaTree } from 'hyparquet'
import { MillpondError, wrapError } from '../../errors.ts'
import type { ParquetFile, ParquetReader } from '../../query/parquet-reader.ts'
import { cellWriter } from './cells.ts'
import { isText, parquetColumnType } from './types.ts'

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const compressors: Compressors = {
  ZSTD: (bytes, length) => new Uint8Array(zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length) })),
  GZIP: (bytes, length) => new Uint8Array(gunzipSync(bytes, { maxOutputLength: Math.max(1, length) })),
}

/**
 * A reader by the package hyparquet.
 * @throws MillpondError `DEPENDENCY_MISSING`.
 */
export async function openParquetReader(): Promise<ParquetReader> {
  let hyparquet: typeof Hyparquet
  try {
    hyparquet = await import('hyparquet')
  } catch (error) {
    const message = 'queries of topics in value-parquet need the package hyparquet: npm install hyparquet'
    throw new MillpondError('DEPENDENCY_MISSING', message, { cause: error })
  }
  return { open: (footer) => openFile(hyparquet, footer) }
}

function openFile(hyparquet: typeof Hyparquet, footer: Uint8Array): ParquetFile {
  let metadata: FileMetaData
  try {
    metadata = hyparquet.parquetMetadata(footer, { geoparquet: false })
  } catch (error) {
    throw wrapError(error, 'SEGMENT_CORRUPT', 'the end of the file is none of Parquet')
  }
  const nodes = hyparquet.parquetSchema(metadata).children
  const plain = { ...metadata, schema: asStored(metadata.schema) }
  return {
    columns: nodes.map((node) => ({ name: node.element.name, type: parquetColumnType(node) })),
    async readGroup(stored, offset, cellsOf) {
      const group = metadata.row_groups.find((each) => firstByte(each) === offset)
      if (group === undefined) throw new MillpondError('BLOCK_CORRUPT', `the footer names no row group at ${offset}`)
      const writers = writersOf(nodes, cellsOf)
      if (writers.size === 0) return
      const slice = (start: number, end?: number) =>
        Uint8Array.from(stored.subarray(start - offset, end === undefined ? undefined : end - offset)).buffer
      try {
        await hyparquet.parquetRead({
          file: { byteLength: offset + stored.byteLength, slice },
          metadata: { ...plain, num_rows: group.num_rows, row_groups: [group] },
          columns: [...writers.keys()],
          compressors,
          utf8: false,
          geoparquet: false,
          parsers: { stringFromBytes: (bytes) => bytes && decoder.decode(bytes) },
          onChunk({ columnName, columnData }) {
            const write = writers.get(columnName)!
            for (let row = 0; row < columnData.length; row++) write(columnData[row])
          },
        })
      } catch (error) {
        throw wrapError(error, 'BLOCK_CORRUPT', 'a row group cannot be read')
      }
    },
  }
}

function writersOf(nodes: readonly SchemaTree[], cellsOf: Parameters<ParquetFile['readGroup']>[2]) {
  const writers = new Map<string, (value: unknown) => void>()
  for (const node of nodes) {
    const cells = cellsOf(node.element.name)
    if (cells !== undefined) writers.set(node.element.name, cellWriter(node, cells))
  }
  return writers
}

function firstByte({ columns }: RowGroup): number {
  const first = columns[0]?.meta_data
  return Number(first?.dictionary_page_offset ?? first?.data_page_offset ?? -1)
}

/** The schema with columns as they are stored, not as what they mean, but that text within what nests is text: keys of maps have to be. */
function asStored(schema: readonly SchemaElement[]): SchemaElement[] {
  const depths = depthsOf(schema)
  return schema.map((element, at) => {
    const isLeaf = element.num_children === undefined || element.num_children === 0
    if (!isLeaf || (isText(element) && depths[at]! > 1)) return element
    const { converted_type: _converted, logical_type: _logical, ...stored } = element
    return stored
  })
}

/** How deep each element lies; the root is 0. */
function depthsOf(schema: readonly SchemaElement[]): number[] {
  const depths: number[] = []
  const visit = (depth: number): void => {
    const { num_children: children = 0 } = schema[depths.length]!
    depths.push(depth)
    for (let i = 0; i < children; i++) visit(depth + 1)
  }
  visit(0)
  return depths
}
