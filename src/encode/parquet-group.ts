import type { BlockFilter, LookupField } from './block.ts'
import { createBufferPool } from './block-encoder.ts'
import { bloomFilterOf } from './lookup.ts'
import type { LookupHashes } from './lookup-hashes.ts'
import { ColumnBuilder, type ColumnOptions } from './parquet-column.ts'
import { pageCodec } from './parquet-page.ts'
import type { RowGroup } from './parquet-row-group.ts'
import type { LeafColumn } from './parquet-schema.ts'
import type { EncoderOptions } from './segment-format.ts'

const MiB = 1024 * 1024

/** Blocks of other formats that a row group is as long as: engines plan and read by row groups, and a footer speaks of each. */
const BLOCKS_A_GROUP = 16
const MAX_GROUP_BYTES = 128 * MiB

/** Bytes of a row group before compression where blocks are to have `blockBytes`, which pages then have. */
export const groupBytes = (blockBytes: number): number =>
  Math.max(blockBytes, Math.min(MAX_GROUP_BYTES, BLOCKS_A_GROUP * blockBytes))

/** Pages of each column, and of those that are compressed meanwhile, where nobody brings buffers. */
const SPARE_BUFFERS = 8

/** Row groups between two tries to make a dictionary where none paid. */
const TRY_EVERY = 16

/** The columns of a row group, one after the other, as the encoder of one segment writes them. */
export interface GroupWriter {
  /** Builders of the columns of a new row group. */
  open(): readonly ColumnBuilder[]
  /** Ends the row group; its builders must not be used afterwards. */
  close(builders: readonly ColumnBuilder[]): Promise<GroupBytes>
}

/** A row group as it will lie in the file. */
export interface GroupBytes {
  readonly bytes: Uint8Array
  readonly rawBytes: number
  readonly columns: RowGroup['columns']
}

/** Writes row groups of these columns, and remembers which of them have no use for a dictionary. */
export function createGroupWriter(
  leaves: readonly LeafColumn[],
  { codec, level, blockBytes, pool = createBufferPool(blockBytes, SPARE_BUFFERS) }: EncoderOptions,
): GroupWriter {
  const options: ColumnOptions = { codec: pageCodec(codec), level, pageBytes: blockBytes, pool }
  /** Row groups since a dictionary was last tried in vain; 0 where it is to be tried. */
  const untried = leaves.map(() => 0)
  return {
    open: () => leaves.map((leaf, i) => new ColumnBuilder(leaf, options, leaf.encoding === 'dictionary' && untried[i] === 0)),
    async close(builders) {
      const chunks = await Promise.all(builders.map((builder) => builder.close()))
      for (const [i, { hasDictionary, summary }] of chunks.entries()) {
        const isTold = hasDictionary || summary.count - summary.nullCount < 2
        untried[i] = isTold ? 0 : (untried[i]! + 1) % TRY_EVERY
      }
      const columns = chunks.map(({ summary }) => summary)
      return {
        bytes: joined(chunks.flatMap(({ pieces }) => pieces)),
        rawBytes: columns.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
        columns,
      }
    },
  }
}

/** The pieces in one, in memory that is not cleared before. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Bits of Parquet's own filters for each distinct value, at the least: about 1 false answer in 100, mostly far fewer. */
const BITS_PER_VALUE = 10
const BUCKET_BITS = 256
/** 4 MiB: a footer's filters may be read whole. */
const MAX_BUCKETS = 1 << 17

/** Parquet's buckets are a power of two: Arrow reads no others. */
const bucketsFor = (distinct: number): number =>
  Math.min(MAX_BUCKETS, 2 ** Math.max(0, Math.ceil(Math.log2((distinct * BITS_PER_VALUE) / BUCKET_BITS))))

/** What look-ups of a block are answered by: ours for its commit, and Parquet's, by column, for its file. */
export function takeFilters(
  hashes: LookupHashes,
  columns: Readonly<Partial<Record<LookupField, number>>>,
): { readonly filters: BlockFilter[]; readonly columnFilters: ReadonlyMap<number, Uint8Array> } {
  const columnFilters = new Map<number, Uint8Array>()
  for (const [field, column] of Object.entries(columns)) {
    const found = hashes.hashesOf(field as LookupField)
    if (column !== undefined && found !== undefined && found.byteLength > 0)
      columnFilters.set(column, bloomFilterOf(found, bucketsFor))
  }
  return { filters: hashes.takeFilters(), columnFilters }
}
