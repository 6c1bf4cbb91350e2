import { createHash } from 'node:crypto'
import { SYNC_BYTES } from '../encode/avro-container.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { BlockEntry, SegmentEntry } from '../encode/segment.ts'
import { assembleLookups } from '../encode/segment-builder.ts'
import type { ContentRules, FoundBlock, SegmentFormat, SegmentHeader } from '../encode/segment-format.ts'
import { MillpondError } from '../errors.ts'
import { crc32c } from '../kernel/checksum.ts'
import type { Store } from '../store/store.ts'
import type { LookupField, StoredCodec } from '../encode/block.ts'
import type { ArchiveOptions } from './options.ts'

/** A segment as its commit will name it. */
export interface ClosedObject {
  readonly entry: SegmentEntry
  readonly lookupBytes: Uint8Array
}

/** An object that lies under a name which the layout fixes, though no commit names it: a crash left it, or another writer of the lane made it. */
export interface LeftObject {
  readonly key: string
  readonly object: Uint8Array
  readonly blocks: readonly FoundBlock[]
  /** Messages that it holds: the first so many of its path. */
  readonly count: number
}

/**
 * What lies under the key; undefined where nothing does.
 * @throws MillpondError `NAME_TAKEN` for what cannot be read as an object of this format.
 */
export async function readLeft(
  store: Store,
  key: string,
  { format, formatOptions }: Pick<ArchiveOptions, 'format' | 'formatOptions'>,
): Promise<LeftObject | undefined> {
  const rules = segmentFormat(format)
  // What does not tell how much it holds can only be the very object that the same messages give.
  if (rules.split === undefined || (await store.size(key)) === undefined) return undefined
  const object = await store.read(key)
  try {
    const blocks = await rules.split(object, formatOptions)
    const count = blocks.reduce((sum, block) => sum + block.count, 0)
    if (count === 0) throw new MillpondError('SEGMENT_CORRUPT', 'it holds no message')
    return { key, object, blocks, count }
  } catch (error) {
    throw nameTaken(key, error instanceof Error ? error.message : String(error), error)
  }
}

/** Whether two objects of a format hold the same, wherever their blocks were cut; `codec` is theirs where they do not say it. */
export async function holdSame(
  [left, right]: readonly [Uint8Array, Uint8Array],
  { format, codec, formatOptions }: Pick<ArchiveOptions, 'format' | 'codec' | 'formatOptions'>,
): Promise<boolean> {
  const rules = segmentFormat(format)
  if (rules.content !== undefined && rules.split !== undefined) {
    const read = async (object: Uint8Array) => rules.content!.read(object, await rules.split!(object, formatOptions), [])
    return Buffer.compare((await read(left)).content, (await read(right)).content) === 0
  }
  // What cannot be taken apart is the same only byte for byte.
  if (rules.split === undefined || rules.rawOf === undefined) return false
  const crcOf = async (object: Uint8Array) => {
    const header = rules.readHeader(object)
    let crc = 0
    for (const { offset, bytes } of (await rules.split?.(object, formatOptions)) ?? [])
      crc = crc32c(await rules.rawOf!(object.subarray(offset, offset + bytes), header?.codec ?? codec, header), crc)
    return crc
  }
  return (await crcOf(left)) === (await crcOf(right))
}

/** The object that the same messages give now. */
export interface OwnObject extends ClosedObject {
  readonly format: SegmentFormat
  /** What it is looked up by. */
  readonly fields: readonly LookupField[]
  /** Its blocks, as they would lie in it. */
  readonly blocks: readonly Uint8Array[]
  readonly positions: readonly number[]
  readonly timestamps: readonly number[]
}

/**
 * The entry of an object that was there already. Mostly it is what we would have written, byte for byte. Where its blocks were cut elsewhere, they are told
 * of as they are, and without filters where its messages cannot be read again: look-ups then read them all.
 * @throws MillpondError `NAME_TAKEN` where the object holds other messages.
 */
export async function describeLeft(left: LeftObject, ours: OwnObject): Promise<ClosedObject> {
  const { object, key } = left
  const { entry, lookupBytes } = ours
  const sha256 = createHash('sha256').update(object).digest('hex')
  if (sha256 === entry.sha256) return { entry, lookupBytes }
  if (entry.count !== left.count) throw nameTaken(key, `it holds ${left.count} messages, not ${entry.count}`)
  const stored = left.blocks.map(({ offset, bytes }) => object.subarray(offset, offset + bytes))
  const { content } = ours.format
  const same = content === undefined ? await sameBlocks(left, ours, stored) : await sameContent(left, ours, content)
  let row = 0
  const blocks = left.blocks.map(({ offset, bytes, count }, at): BlockEntry => {
    const from = row
    row += count
    return { offset, bytes, crc32c: crc32c(stored[at]!), count, ...extentOf(ours, from, row) }
  })
  const described = { ...entry, bytes: object.byteLength, crc32c: crc32c(object), sha256, codec: same.codec, blocks }
  return { entry: { ...described, lookups: same.lookups }, lookupBytes: same.lookupBytes }
}

function extentOf({ positions, timestamps }: OwnObject, from: number, to: number) {
  let minTimestamp = Infinity
  let maxTimestamp = -Infinity
  for (let row = from; row < to; row++) {
    minTimestamp = Math.min(minTimestamp, timestamps[row]!)
    maxTimestamp = Math.max(maxTimestamp, timestamps[row]!)
  }
  return { firstPosition: positions[from]!, lastPosition: positions[to - 1]!, minTimestamp, maxTimestamp }
}

/** What an object that holds the same is in, and is looked up by. */
interface Same extends ReturnType<typeof assembleLookups> {
  readonly codec: StoredCodec
}

async function sameContent({ key, object, blocks }: LeftObject, ours: OwnObject, rules: ContentRules): Promise<Same> {
  const { content, codec, filters } = await rules.read(object, blocks, ours.fields).catch((error: unknown) => {
    throw nameTaken(key, error instanceof Error ? error.message : String(error), error)
  })
  if (Buffer.compare(content, ours.blocks.at(-1)!) !== 0) throw nameTaken(key, 'it holds other messages')
  return { codec, ...assembleLookups(filters) }
}

async function sameBlocks({ key, object }: LeftObject, ours: OwnObject, stored: readonly Uint8Array[]): Promise<Same> {
  const { format, blocks, entry } = ours
  const header = format.readHeader(object)
  const codec = header?.codec ?? entry.codec
  if (format.rawOf === undefined) throw nameTaken(key, 'it is not what this version would write')
  const crcOf = async (all: readonly Uint8Array[], codecOf: StoredCodec, headerOf?: SegmentHeader) => {
    let crc = 0
    for (const block of all) crc = crc32c(await format.rawOf!(block, codecOf, headerOf), crc)
    return crc
  }
  const theirs = await crcOf(stored, codec, header).catch((error: unknown) => {
    throw nameTaken(key, error instanceof Error ? error.message : String(error), error)
  })
  if (theirs !== (await crcOf(blocks, entry.codec))) throw nameTaken(key, 'it holds other messages')
  return { codec, lookups: [], lookupBytes: new Uint8Array(0) }
}

/** What lies under a name that is needed, and is no object that could be taken over. */
export const nameTaken = (key: string, why: string, cause?: unknown) =>
  new MillpondError(
    'NAME_TAKEN',
    `${key} is in the way: ${why}. No commit names it; move it elsewhere, and archiving goes on`,
    cause === undefined ? { details: { key } } : { cause, details: { key } },
  )

/** A sync marker that a name gives: the same messages give the same bytes, so that a writer who finds its own object again knows it. */
export const fixedSync = (key: string): Uint8Array => createHash('sha256').update(key).digest().subarray(0, SYNC_BYTES)
