import { createHash } from 'node:crypto'
import type { BlockFilter, EncodedBlock } from '../encode/block.ts'
import { checkStoredBlock, segmentFormat } from '../encode/formats.ts'
import { takeApartLookup } from '../encode/lookup.ts'
import type { FinishedSegment } from '../encode/segment-builder.ts'
import type { BlockEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import { type Making, type MergeOptions, openOutput } from './output.ts'
import type { SegmentGroup, SegmentSource } from './plan.ts'

const PIECE_BYTES = 4 * 1024 * 1024

/** Writes the blocks of a group's segments, which lie one behind the other, as they are into new ones. @throws MillpondError `BLOCK_CORRUPT`. */
export async function copyGroup(making: Making, group: SegmentGroup, options: MergeOptions): Promise<FinishedSegment[]> {
  const output = openOutput(making, group, options)
  try {
    for (const source of group.sources) {
      making.signal?.throwIfAborted()
      await checkHeader(making, source, group, options)
      const filters = await readFilters(making, source)
      for (const [ordinal, block] of source.segment.blocks.entries())
        await output.take(
          await readBlock(
            making,
            source,
            block,
            filters.map((ofField) => ofField[ordinal]!),
          ),
        )
      making.onRead(source.segment)
    }
    return await output.finish()
  } catch (error) {
    await output.abort()
    throw error
  }
}

/** What lies before the blocks is written anew, and must be the same: a table's first line says what its columns are. */
async function checkHeader(
  { store, signal }: Making,
  { segment }: SegmentSource,
  { format, copied }: SegmentGroup,
  { formatOptions }: MergeOptions,
): Promise<void> {
  const { header } = segmentFormat(format).openFraming(copied!, new Uint8Array(16), undefined, formatOptions)
  const end = segment.blocks[0]!.offset
  const there = end === 0 ? new Uint8Array(0) : await store.read(segment.key, { start: 0, end }, signal)
  if (Buffer.from(header).equals(there)) return
  throw new MillpondError(
    'COMPACT_UNFIT',
    `${segment.key} was written with other settings of archive.formatOptions than there are now: its first line differs`,
    { details: { key: segment.key } },
  )
}

/** The filters of a segment, field by field and block by block. */
async function readFilters({ store, signal }: Making, { segment, commit }: SegmentSource): Promise<BlockFilter[][]> {
  return Promise.all(
    segment.lookups.map(async (lookup) => {
      const start = commit.lookupStart + lookup.offset
      return takeApartLookup(lookup, await store.read(commit.key, { start, end: start + lookup.bytes }, signal))
    }),
  )
}

async function readBlock(
  { store, signal }: Making,
  { segment }: SegmentSource,
  block: BlockEntry,
  filters: readonly BlockFilter[],
): Promise<EncodedBlock> {
  const { offset, bytes: length, crc32c, count, firstPosition, lastPosition, minTimestamp, maxTimestamp } = block
  const bytes = await store.read(segment.key, { start: offset, end: offset + length }, signal)
  checkStoredBlock(bytes, block)
  const { format, codec } = segment
  const extent = { count, firstPosition, lastPosition, minTimestamp, maxTimestamp }
  // Formats that are copied have these fields alone.
  return { format, codec, bytes, crc32c, rawBytes: length, ...extent, filters } as EncodedBlock
}

/** Reads new segments: what the store gives must be what was written. @throws MillpondError `SEGMENT_CORRUPT`. */
export async function readBack({ store, signal }: Making, made: readonly FinishedSegment[]): Promise<void> {
  for (const { entry } of made) {
    const hash = createHash('sha256')
    for (let start = 0; start < entry.bytes; start += PIECE_BYTES)
      hash.update(await store.read(entry.key, { start, end: Math.min(entry.bytes, start + PIECE_BYTES) }, signal))
    if (hash.digest('hex') === entry.sha256) continue
    throw new MillpondError(
      'SEGMENT_CORRUPT',
      `the new segment ${entry.key} is not in the store as it was written; nothing was replaced`,
      {
        details: { key: entry.key },
      },
    )
  }
}
