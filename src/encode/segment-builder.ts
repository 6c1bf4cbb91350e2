import { createHash } from 'node:crypto'
import type { BlockEntry, SegmentEntry, SegmentLookup } from './segment.ts'
import { MillpondError } from '../errors.ts'
import { crc32c, joinCrc32c } from '../kernel/checksum.ts'
import { SYNC_BYTES } from './avro-container.ts'
import type { BlockFilter, EncodedBlock, Format, StoredCodec } from './block.ts'
import type { FormatOptions } from './format-options.ts'
import { assembleLookup } from './lookup.ts'
import type { ValueKind } from '../values/values.ts'
import { segmentFormat } from './formats.ts'

/** Bytes to write, and the CRC-32C of them. */
export interface Chunk {
  readonly bytes: Uint8Array
  readonly crc32c: number
}

/** A segment as its commit will describe it, and the look-up bytes that its `lookups` point into, counted from their beginning. */
export interface FinishedSegment {
  readonly entry: SegmentEntry
  readonly lookupBytes: Uint8Array
}

/** Frames blocks of one lane as a segment and keeps account of them. It writes nothing: the chunks go to the store as they come. */
export interface SegmentBuilder {
  /** Written first; it may be empty. */
  readonly header: Uint8Array
  readonly headerCrc32c: number
  /** Length of header and blocks so far. */
  readonly bytes: number
  readonly count: number
  /** NaN while there is no block, as is `lastPosition`. */
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
  /** Whether the segment can hold the block: its format, codec, look-up fields and, where blocks have one, schema are those of the blocks before. */
  suits(block: EncodedBlock): boolean
  /**
   * The chunks to write for this block, in order, with their checksums.
   * @throws MillpondError `POSITION_INVALID` where it does not follow the block before; `INTERNAL` where its format, codec or
   * look-up fields are not those of the segment.
   */
  append(block: EncodedBlock): Chunk[]
  /** The chunks to write last, when all blocks were appended and before `finish`: there are some where the format has something behind its blocks. */
  end(): Chunk[]
  /** The account of all that was appended, one block at the least; `layout` is what the key's layout put in the path. */
  finish(key: string, layout: Readonly<Record<string, string>>): FinishedSegment
}

/** A segment of blocks in `codec`, where its format allows for no other; `sync` is 16 random bytes. */
export function createSegmentBuilder(options: {
  readonly format: Format
  readonly codec: StoredCodec
  readonly sync: Uint8Array
  /** The schema of all values, for formats by schema. */
  readonly kind?: ValueKind
  readonly formatOptions?: FormatOptions | undefined
}): SegmentBuilder {
  const { format } = options
  const rules = segmentFormat(format)
  let { codec } = options
  const sync = Uint8Array.from(options.sync)
  if (sync.byteLength !== SYNC_BYTES)
    throw new MillpondError('INTERNAL', `a sync marker has ${SYNC_BYTES} bytes, not ${sync.byteLength}`)
  const framing = rules.openFraming(codec, sync, options.kind, options.formatOptions)
  const { header } = framing
  const headerCrc32c = crc32c(header)
  const sha256 = createHash('sha256').update(header)
  const blocks: BlockEntry[] = []
  const filters: (readonly BlockFilter[])[] = []
  const total = {
    bytes: header.byteLength,
    crc32c: headerCrc32c,
    count: 0,
    firstPosition: NaN,
    lastPosition: NaN,
    minTimestamp: Infinity,
    maxTimestamp: -Infinity,
  }

  let schemaId: string | undefined
  const suits = (block: EncodedBlock) =>
    block.format === format &&
    (rules.mixesCodecs || block.codec === codec) &&
    fieldsOf(block.filters) === fieldsOf(filters[0] ?? block.filters) &&
    (schemaId === undefined || schemaIdOf(block) === schemaId)
  const check = (block: EncodedBlock) => {
    if (!suits(block))
      throw new MillpondError(
        'INTERNAL',
        `a block in ${block.format}, ${block.codec} does not suit a segment in ${format}, ${codec}`,
      )
    if (block.firstPosition <= total.lastPosition) {
      throw new MillpondError('POSITION_INVALID', `a block from ${block.firstPosition} on does not follow ${total.lastPosition}`)
    }
  }
  /** Gives where the chunks begin, their length and checksum. */
  const write = (chunks: readonly Chunk[]) => {
    const offset = total.bytes
    let crc = 0
    let bytes = 0
    for (const chunk of chunks) {
      crc = joinCrc32c(crc, chunk.crc32c, chunk.bytes.byteLength)
      sha256.update(chunk.bytes)
      bytes += chunk.bytes.byteLength
    }
    total.crc32c = joinCrc32c(total.crc32c, crc, bytes)
    total.bytes += bytes
    return { offset, bytes, crc32c: crc }
  }
  const account = (block: EncodedBlock, chunks: readonly Chunk[]) => {
    const { count, firstPosition, lastPosition, minTimestamp, maxTimestamp } = block
    blocks.push({ ...write(chunks), count, firstPosition, lastPosition, minTimestamp, maxTimestamp })
    filters.push(block.filters)
    if (total.count === 0) total.firstPosition = firstPosition
    total.lastPosition = lastPosition
    total.count += count
    total.minTimestamp = Math.min(total.minTimestamp, minTimestamp)
    total.maxTimestamp = Math.max(total.maxTimestamp, maxTimestamp)
  }

  return {
    header,
    headerCrc32c,
    get bytes() {
      return total.bytes
    },
    get count() {
      return total.count
    },
    get firstPosition() {
      return total.firstPosition
    },
    get lastPosition() {
      return total.lastPosition
    },
    get minTimestamp() {
      return total.minTimestamp
    },
    get maxTimestamp() {
      return total.maxTimestamp
    },
    suits,
    append(block) {
      check(block)
      if (block.codec !== codec) codec = 'mixed'
      schemaId ??= schemaIdOf(block)
      const chunks = framing.frame(block).map((bytes) => ({
        bytes,
        crc32c: (bytes === block.bytes ? block.crc32c : undefined) ?? crc32c(bytes),
      }))
      account(block, chunks)
      return chunks
    },
    end() {
      const bytes = framing.trailer?.()
      const chunks = bytes === undefined ? [] : [{ bytes, crc32c: crc32c(bytes) }]
      write(chunks)
      return chunks
    },
    finish(key, layout) {
      if (blocks.length === 0) throw new MillpondError('INTERNAL', `segment ${key} has no block`)
      const { lookups, lookupBytes } = assembleLookups(filters)
      const entry = { key, ...total, sha256: sha256.digest('hex'), format, codec, layout, blocks, lookups, siblings: [] }
      return { entry, lookupBytes }
    },
  }
}

/** Whether a segment that begins with `first` can hold the block: what `suits` of its builder says. */
export const areAlike = (first: EncodedBlock, block: EncodedBlock): boolean =>
  block.format === first.format &&
  (block.codec === first.codec || segmentFormat(first.format).mixesCodecs) &&
  fieldsOf(block.filters) === fieldsOf(first.filters) &&
  schemaIdOf(block) === schemaIdOf(first)

const fieldsOf = (filters: readonly BlockFilter[]): string => filters.map(({ field }) => field).join('\n')
const schemaIdOf = (block: EncodedBlock): string | undefined => ('rowGroup' in block ? block.rowGroup.schemaId : undefined)

/** The look-ups of a segment from the filters of each of its blocks, and the bytes that they point into. */
export function assembleLookups(filters: readonly (readonly BlockFilter[])[]): {
  lookups: SegmentLookup[]
  lookupBytes: Uint8Array
} {
  const lookups: SegmentLookup[] = []
  const parts: Uint8Array[] = []
  let offset = 0
  for (const index of filters[0]?.keys() ?? []) {
    const { lookup, bytes } = assembleLookup(
      filters.map((ofBlock) => ofBlock[index]!),
      offset,
    )
    lookups.push(lookup)
    parts.push(bytes)
    offset += bytes.byteLength
  }
  // They may be many megabytes: one field, as most segments have, needs no copy.
  return { lookups, lookupBytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts) }
}

/** The segments of one commit, and their look-up bytes one behind the other. */
export function joinSegments(finished: readonly FinishedSegment[]): { segments: SegmentEntry[]; lookupBytes: Uint8Array } {
  let start = 0
  const segments = finished.map(({ entry, lookupBytes }) => {
    const offset = start
    start += lookupBytes.byteLength
    return { ...entry, lookups: entry.lookups.map((lookup) => ({ ...lookup, offset: lookup.offset + offset })) }
  })
  return { segments, lookupBytes: Buffer.concat(finished.map(({ lookupBytes }) => lookupBytes)) }
}
