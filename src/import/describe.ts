import { createHash } from 'node:crypto'
import type { LookupField, StoredCodec } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import { filtersOf } from '../encode/lookup-filters.ts'
import type { BlockEntry, SegmentEntry, SiblingEntry } from '../encode/segment.ts'
import { assembleLookups } from '../encode/segment-builder.ts'
import type { FoundBlock, SegmentFormat, SegmentHeader } from '../encode/segment-format.ts'
import { isMillpondError, MillpondError, wrapError } from '../errors.ts'
import { crc32c } from '../kernel/checksum.ts'
import type { ImportObject } from './objects.ts'

/** What an object is described with that it does not say itself. */
export interface DescribeOptions {
  /** The position of its first message, for formats that do not hold positions. */
  readonly firstPosition: number
  readonly lookups: readonly LookupField[]
}

/** A segment as its commit will name it. */
export interface DescribedObject {
  readonly entry: SegmentEntry
  readonly lookupBytes: Uint8Array
}

type Extent = Pick<BlockEntry, 'count' | 'firstPosition' | 'lastPosition' | 'minTimestamp' | 'maxTimestamp'>

/**
 * Reads an object of another program as a segment: its blocks, what they hold, and filters for look-ups where messages can be read. What says no
 * time has that at which the object was written.
 * @throws MillpondError `SEGMENT_CORRUPT`, `BLOCK_CORRUPT`, `FORMAT_UNSUPPORTED`, which name the object.
 */
export async function describeObject(
  { key, format, modifiedMs }: ImportObject,
  object: Uint8Array,
  options: DescribeOptions,
): Promise<DescribedObject> {
  const rules = segmentFormat(format)
  try {
    const header = rules.readHeader(object)
    const codec = header?.codec ?? codecOfName(key)
    const found = await splitWhole(rules, object, codec, header)
    const blocks: BlockEntry[] = []
    const filters: ReturnType<typeof filtersOf>[] = []
    let firstPosition = options.firstPosition
    for (const { offset, bytes, count } of found) {
      const stored = object.subarray(offset, offset + bytes)
      const place = { offset, bytes, crc32c: crc32c(stored), ...placed(count, firstPosition, modifiedMs) }
      const block = rules.keepsAll ? await readExtent(rules, stored, { codec, header, place }) : { extent: place }
      blocks.push({ ...place, ...block.extent })
      if ('batch' in block) filters.push(filtersOf(block.batch, options.lookups))
      firstPosition = block.extent.lastPosition + 1
    }
    const { lookups, lookupBytes } = assembleLookups(filters)
    const sums = { bytes: object.byteLength, crc32c: crc32c(object), sha256: createHash('sha256').update(object).digest('hex') }
    return { entry: { key, ...sums, format, codec, ...extentOf(blocks), layout: {}, blocks, lookups, siblings: [] }, lookupBytes }
  } catch (error) {
    throw isMillpondError(error)
      ? new MillpondError(error.code, `${key}: ${error.message}`, { cause: error, details: { ...error.details, key } })
      : wrapError(error, 'SEGMENT_CORRUPT', key, { key })
  }
}

/** Compression that only the name of an object tells. */
function codecOfName(key: string): StoredCodec {
  if (key.endsWith('.gz')) return 'gzip'
  return key.endsWith('.zst') ? 'zstandard' : 'null'
}

async function splitWhole(
  rules: SegmentFormat,
  object: Uint8Array,
  codec: StoredCodec,
  header: SegmentHeader | undefined,
): Promise<readonly FoundBlock[]> {
  const blocks = rules.split === undefined ? [await onlyBlock(rules, object, codec, header)] : await rules.split(object)
  if (blocks.length === 0 || blocks.some(({ count }) => count < 1))
    throw new MillpondError('SEGMENT_CORRUPT', 'it holds no message, or a block without one')
  return blocks
}

/** An object that cannot be taken apart is one block. */
async function onlyBlock(
  rules: SegmentFormat,
  object: Uint8Array,
  codec: StoredCodec,
  header: SegmentHeader | undefined,
): Promise<FoundBlock> {
  if (rules.countBlock === undefined || !rules.codecs.includes(codec))
    throw new MillpondError('FORMAT_UNSUPPORTED', `its messages cannot be counted (${codec})`)
  const offset = header?.bytes ?? 0
  const count = await rules.countBlock(object.subarray(offset), codec, header)
  return { offset, bytes: object.byteLength - offset, count }
}

const placed = (count: number, firstPosition: number, timestampMs: number): Extent => ({
  count,
  firstPosition,
  lastPosition: firstPosition + count - 1,
  minTimestamp: timestampMs,
  maxTimestamp: timestampMs,
})

interface BlockPlace {
  readonly codec: SegmentEntry['codec']
  readonly header: SegmentHeader | undefined
  readonly place: BlockEntry
}

/** What the messages of the block say. */
async function readExtent(rules: SegmentFormat, stored: Uint8Array, { codec, header, place }: BlockPlace) {
  const batch = await rules.readBlock(stored, codec, header, place)
  if (batch.count !== place.count)
    throw new MillpondError('BLOCK_CORRUPT', `the block at ${place.offset} holds ${batch.count} messages and says ${place.count}`)
  let minTimestamp = Infinity
  let maxTimestamp = -Infinity
  for (const timestamp of batch.timestamps) {
    minTimestamp = Math.min(minTimestamp, timestamp)
    maxTimestamp = Math.max(maxTimestamp, timestamp)
  }
  const positions = { firstPosition: batch.positions[0]!, lastPosition: batch.positions.at(-1)! }
  return { batch, extent: { count: batch.count, ...positions, minTimestamp, maxTimestamp } satisfies Extent }
}

function extentOf(blocks: readonly BlockEntry[]): Extent {
  return {
    count: blocks.reduce((sum, { count }) => sum + count, 0),
    firstPosition: blocks[0]!.firstPosition,
    lastPosition: blocks.at(-1)!.lastPosition,
    minTimestamp: blocks.reduce((least, { minTimestamp }) => Math.min(least, minTimestamp), Infinity),
    maxTimestamp: blocks.reduce((most, { maxTimestamp }) => Math.max(most, maxTimestamp), -Infinity),
  }
}

/** An object that holds keys or headers, as the commit will name it beside its segment. */
export const describeSibling = (key: string, role: SiblingEntry['role'], object: Uint8Array): SiblingEntry => ({
  role,
  key,
  bytes: object.byteLength,
  crc32c: crc32c(object),
  sha256: createHash('sha256').update(object).digest('hex'),
})
