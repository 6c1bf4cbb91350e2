import { createHash } from 'node:crypto'
import type { MessageBatch } from '../batch/batch.ts'
import { checkStoredBlock, segmentFormat } from '../encode/formats.ts'
import type { SegmentHeader } from '../encode/segment-format.ts'
import { crc32c } from '../kernel/checksum.ts'
import type { ByteRange, Store } from '../store/store.ts'
import type { BlockEntry, SegmentEntry, SegmentLookup, SiblingEntry } from '../encode/segment.ts'
import type { PositionRuns } from './coverage.ts'
import { lookupFaults, sliceFault } from './verify-lookups.ts'
import type { LaneNotes } from './verify-report.ts'

/** Bytes that are read at once, unless one block has more. */
const PIECE_BYTES = 4 * 1024 * 1024

/** A segment that is to be checked, and what is known of it. */
export interface SegmentCheck {
  readonly store: Store
  readonly segment: SegmentEntry
  readonly commitKey: string
  /** Those of the commit. */
  readonly lookupBytes: Uint8Array
  /** Bytes of the object where a listing told them. */
  readonly listedBytes: number | undefined
  /** Looks into one block instead of all. */
  readonly sampleOnly: boolean
  /** Told after each block. */
  readonly onBlock: () => void
}

/** What is asked of each block beside: the look-ups whose bytes are whole. */
interface BlockCheck extends SegmentCheck {
  readonly lookups: readonly SegmentLookup[]
}

/** The look-ups whose bytes are what was written; notes the others. */
function wholeLookups({ segment, commitKey, lookupBytes }: SegmentCheck, notes: LaneNotes): readonly SegmentLookup[] {
  return segment.lookups.filter((lookup) => {
    const fault = sliceFault(lookup, lookupBytes)
    if (fault === undefined) return true
    notes.note('COMMIT_CORRUPT', commitKey, `the look-ups of ${lookup.field} of ${segment.key}: ${fault}`, segment.firstPosition)
    return false
  })
}

/** Checks a segment against its commit and adds the positions that it holds; false where they could not all be read. */
export async function verifySegment(
  check: SegmentCheck,
  notes: LaneNotes,
  held: PositionRuns,
  signal?: AbortSignal,
): Promise<boolean> {
  const { store, segment } = check
  const blockCheck = { ...check, lookups: wholeLookups(check, notes) }
  const problemsBefore = notes.problemCount
  notes.segments++
  const bytes = check.listedBytes ?? (await store.size(segment.key, signal))
  if (bytes === undefined) {
    notes.note(
      'OBJECT_MISSING',
      segment.key,
      `the segment is not in the store, but commit ${check.commitKey} names it`,
      segment.firstPosition,
    )
    return false
  }
  if (bytes !== segment.bytes) {
    notes.note(
      'SEGMENT_CORRUPT',
      segment.key,
      `the segment has ${bytes} bytes, its commit says ${segment.bytes}`,
      segment.firstPosition,
    )
  }
  try {
    if (check.sampleOnly) await readSample(blockCheck, notes, held, signal)
    else await readWhole(blockCheck, notes, held, problemsBefore, signal)
    for (const sibling of segment.siblings) await verifySibling(check, sibling, notes, signal)
  } catch (error) {
    notes.noteError(error, segment.key, segment.firstPosition)
  }
  return notes.problemCount === problemsBefore
}

/** Compares what lies beside the segment with its commit. */
async function verifySibling(
  { store, segment, commitKey, sampleOnly }: SegmentCheck,
  { role, key, bytes, sha256 }: SiblingEntry,
  notes: LaneNotes,
  signal?: AbortSignal,
): Promise<void> {
  const found = await store.size(key, signal)
  if (found === undefined) {
    notes.note(
      'OBJECT_MISSING',
      key,
      `the ${role} are not in the store, but commit ${commitKey} names them`,
      segment.firstPosition,
    )
    return
  }
  if (found === bytes && sampleOnly) return
  const isWhole =
    found === bytes &&
    createHash('sha256')
      .update(await store.read(key, undefined, signal))
      .digest('hex') === sha256
  if (isWhole) notes.bytes += bytes
  else notes.note('SEGMENT_CORRUPT', key, `the ${role} are not what their commit says`, segment.firstPosition)
}

/** Every byte, in pieces of whole blocks. */
async function readWhole(
  check: BlockCheck,
  notes: LaneNotes,
  held: PositionRuns,
  problemsBefore: number,
  signal?: AbortSignal,
): Promise<void> {
  const { store, segment } = check
  const sha256 = createHash('sha256')
  let crc = 0
  let header: SegmentHeader | undefined
  let ordinal = 0
  for (const range of piecesOf(segment)) {
    const piece = await store.read(segment.key, range, signal)
    sha256.update(piece)
    crc = crc32c(piece, crc)
    notes.bytes += piece.length
    header ??= takeHeader(segment, piece, notes)
    for (; ordinal < segment.blocks.length && segment.blocks[ordinal]!.offset < range.end; ordinal++) {
      const { offset, bytes } = segment.blocks[ordinal]!
      const stored = piece.subarray(offset - range.start, offset - range.start + bytes)
      await verifyBlock(check, notes, held, { ordinal, stored, header })
    }
  }
  // Where a block or the length has shown the damage already, this would only say it again.
  if (notes.problemCount > problemsBefore) return
  const isWhole = sha256.digest('hex') === segment.sha256 && crc === segment.crc32c
  if (!isWhole)
    notes.note('SEGMENT_CORRUPT', segment.key, 'the segment does not match its SHA-256 and CRC-32C', segment.firstPosition)
}

/** The header and one block, another one in each segment. */
async function readSample(check: BlockCheck, notes: LaneNotes, held: PositionRuns, signal?: AbortSignal): Promise<void> {
  const { store, segment } = check
  const first = await store.read(segment.key, { start: 0, end: segment.blocks[0]!.offset }, signal)
  const header = takeHeader(segment, first, notes)
  const ordinal = segment.firstPosition % segment.blocks.length
  const { offset, bytes } = segment.blocks[ordinal]!
  const stored = await store.read(segment.key, { start: offset, end: offset + bytes }, signal)
  notes.bytes += first.length + stored.length
  await verifyBlock(check, notes, held, { ordinal, stored, header })
}

/** Ranges that each end where a block does and together hold every byte that the commit tells of, and those behind. */
function* piecesOf(segment: SegmentEntry): Generator<ByteRange> {
  let start = 0
  let end = 0
  for (const block of segment.blocks) {
    const blockEnd = block.offset + block.bytes
    if (end > start && blockEnd - start > PIECE_BYTES) {
      yield { start, end }
      start = end
    }
    end = blockEnd
  }
  yield { start, end: Math.max(end, segment.bytes) }
}

/**
 * The header, which must lie right before the first block, as all blocks lie one after the other; what a format has behind them is vouched for by
 * the segment's SHA-256 alone.
 */
function takeHeader(segment: SegmentEntry, piece: Uint8Array, notes: LaneNotes): SegmentHeader {
  const format = segmentFormat(segment.format)
  const header = format.readHeader(piece)
  let end = header && (header.bytes ?? segment.blocks[0]?.offset)
  for (const { offset, bytes } of segment.blocks) end = end === offset ? offset + bytes : undefined
  const isWhole = end !== undefined && (format.hasTrailer === true ? end < segment.bytes : end === segment.bytes)
  if (!isWhole)
    notes.note('SEGMENT_CORRUPT', segment.key, 'its header and blocks do not lie one after the other', segment.firstPosition)
  if (header?.codec !== undefined && header.codec !== segment.codec) {
    notes.note(
      'SEGMENT_CORRUPT',
      segment.key,
      `its codec is ${header.codec}, its commit says ${segment.codec}`,
      segment.firstPosition,
    )
  }
  return header ?? { codec: segment.codec, sync: undefined, bytes: 0 }
}

interface BlockRead {
  readonly ordinal: number
  readonly stored: Uint8Array
  readonly header: SegmentHeader
}

async function verifyBlock(
  check: BlockCheck,
  notes: LaneNotes,
  held: PositionRuns,
  { ordinal, stored, header }: BlockRead,
): Promise<void> {
  const { segment } = check
  const entry = segment.blocks[ordinal]!
  try {
    checkStoredBlock(stored, entry)
    if (!segmentFormat(segment.format).keepsAll) return await takeClaimed(check, notes, held, { ordinal, stored, header })
    const batch = await segmentFormat(segment.format).readBlock(stored, segment.codec, header, entry)
    const fault = entryFault(entry, batch)
    if (fault !== undefined) notes.note('BLOCK_CORRUPT', segment.key, `block ${ordinal} ${fault}`, entry.firstPosition)
    for (const { field, position } of lookupFaults(check.lookups, ordinal, batch, check.lookupBytes)) {
      notes.note(
        'COMMIT_CORRUPT',
        check.commitKey,
        `the look-up filter of ${field} for block ${ordinal} of ${segment.key} misses a message`,
        position,
      )
    }
    held.add(batch)
    notes.messages += batch.count
  } catch (error) {
    notes.noteError(error, segment.key, entry.firstPosition)
  } finally {
    check.onBlock()
  }
}

/** A block that does not hold all of its messages: they are counted where its bytes say how many, and are taken on the commit's word otherwise. */
async function takeClaimed(
  { segment }: BlockCheck,
  notes: LaneNotes,
  held: PositionRuns,
  { ordinal, stored, header }: BlockRead,
): Promise<void> {
  const entry = segment.blocks[ordinal]!
  const count = (await segmentFormat(segment.format).countBlock?.(stored, segment.codec, header)) ?? entry.count
  if (count !== entry.count) {
    const message = `block ${ordinal} holds ${count} messages, its commit says ${entry.count}`
    notes.note('BLOCK_CORRUPT', segment.key, message, entry.firstPosition)
  }
  held.addClaimed(entry)
  notes.messages += entry.count
}

/** How a block's messages differ from what its commit says of them. */
function entryFault(entry: BlockEntry, { count, positions, timestamps }: MessageBatch): string | undefined {
  if (count !== entry.count) return `holds ${count} messages, its commit says ${entry.count}`
  if (positions[0] !== entry.firstPosition || positions[count - 1] !== entry.lastPosition) {
    return `holds positions ${positions[0]} to ${positions[count - 1]}, its commit says ${entry.firstPosition} to ${entry.lastPosition}`
  }
  let min = Infinity
  let max = -Infinity
  for (let row = 0; row < count; row++) {
    min = Math.min(min, timestamps[row]!)
    max = Math.max(max, timestamps[row]!)
    if (row > 0 && positions[row]! <= positions[row - 1]!) return `holds position ${positions[row]} behind ${positions[row - 1]}`
  }
  if (min === entry.minTimestamp && max === entry.maxTimestamp) return undefined
  return `holds timestamps ${min} to ${max}, its commit says ${entry.minTimestamp} to ${entry.maxTimestamp}`
}
