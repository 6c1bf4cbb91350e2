import type { MessageBatch } from '../batch/batch.ts'
import { batchOf } from '../batch/builder.ts'
import { MillpondError } from '../errors.ts'
import { crc32c, joinCrc32c } from '../kernel/checksum.ts'
import { UNSAFE_INTEGER } from '../kernel/fault.ts'
import { readRecordParts, type RecordPart, type RecordVisitor, visitRecordParts } from '../kernel/record-read.ts'
import { formOf, isThreaded, unpackRecords } from './record-codec.ts'
import {
  APPEND_TIME,
  ATTRIBUTES_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  CODEC_BITS,
  CODECS,
  CONTROL,
  COUNT_AT,
  CRC_AT,
  HEADER_BYTES,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_AT,
  LOG_OVERHEAD,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  type RecordCodec,
  TRANSACTIONAL,
  viewOf,
} from './record-header.ts'

/** What the header of a record batch says, and where in its record set the batch lies. */
export interface RecordBatchInfo {
  /** First byte of the batch in the record set. */
  readonly start: number
  /** Length of the batch with its header. */
  readonly bytes: number
  readonly baseOffset: number
  /** Last offset that the batch covers; compaction may have removed the record that had it. */
  readonly lastOffset: number
  /** CRC-32C of all behind it, as the header says; it was checked. */
  readonly crc: number
  /** Records in the batch; 0 where compaction left its header alone. */
  readonly count: number
  readonly codec: RecordCodec
  /** Holds no messages but the end of a transaction or the like. */
  readonly isControl: boolean
  readonly isTransactional: boolean
  readonly timestampType: 'create' | 'append'
  /** What the records' timestamps count from, in ms; -1 where the producer gave none. */
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  /** -1 for a producer that is not idempotent; then so are epoch and sequence. */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly leaderEpoch: number
}

/** The whole batches of a record set. */
export interface RecordSetScan {
  readonly batches: readonly RecordBatchInfo[]
  /** Bytes behind the last of them. */
  readonly restBytes: number
  /**
   * Where the rest is a batch that was cut: how many bytes it takes, or those of a header where not even its length is there.
   * Undefined where nothing is left, and where what follows is no batch: a set that begins with it says why.
   */
  readonly neededBytes: number | undefined
}

const corrupt = (what: string, details: Record<string, unknown>, cause?: unknown) =>
  new MillpondError('RECORD_SET_CORRUPT', what, { cause, details })

/**
 * Headers of the whole batches of a record set, as a broker gives it or a segment holds it; their CRC-32C is checked, unless the set as a whole
 * was. A batch that cannot be read ends the scan: what lies before it is given, and a set that begins with it throws.
 * @throws MillpondError `RECORD_SET_CORRUPT`; `FORMAT_UNSUPPORTED` for messages older than Kafka 0.11 and codecs not known.
 */
export function scanRecordSet(set: Uint8Array, { isChecked = false } = {}): RecordSetScan {
  const batches: RecordBatchInfo[] = []
  const view = viewOf(set)
  let start = 0
  while (start < set.byteLength) {
    const restBytes = set.byteLength - start
    if (restBytes < LOG_OVERHEAD) return { batches, restBytes, neededBytes: HEADER_BYTES }
    try {
      const bytes = batchBytes(view, start)
      if (bytes > restBytes) return { batches, restBytes, neededBytes: bytes }
      batches.push(readHeader(set, view, { start, bytes, isChecked }))
      start += bytes
    } catch (error) {
      if (batches.length === 0) throw error
      return { batches, restBytes, neededBytes: undefined }
    }
  }
  return { batches, restBytes: 0, neededBytes: undefined }
}

/** The CRC-32C of the whole batch, of which all but the beginning is known. */
export const batchCrc32c = (set: Uint8Array, { start, bytes, crc }: RecordBatchInfo): number =>
  joinCrc32c(crc32c(set.subarray(start, start + ATTRIBUTES_AT)), crc, bytes - ATTRIBUTES_AT)

function batchBytes(view: DataView, start: number): number {
  const length = view.getInt32(start + LENGTH_AT)
  if (length < HEADER_BYTES - LOG_OVERHEAD) {
    // The older forms are shorter, and say so at the same place.
    const isOlder = start + MAGIC_AT < view.byteLength && length > MAGIC_AT - LOG_OVERHEAD
    if (isOlder) checkMagic(view.getInt8(start + MAGIC_AT), start)
    throw corrupt(`a record batch claims a length of ${length} bytes`, { start, length })
  }
  return length + LOG_OVERHEAD
}

function checkMagic(magic: number, start: number): void {
  if (magic === 2) return
  if (magic === 0 || magic === 1) {
    throw new MillpondError(
      'FORMAT_UNSUPPORTED',
      `messages in the format of magic ${magic}, older than Kafka 0.11, cannot be read`,
      { details: { start, magic } },
    )
  }
  throw corrupt(`a record batch of magic ${magic}`, { start, magic })
}

interface BatchPlace {
  readonly start: number
  readonly bytes: number
  readonly isChecked: boolean
}

function readHeader(set: Uint8Array, view: DataView, { start, bytes, isChecked }: BatchPlace): RecordBatchInfo {
  checkMagic(view.getInt8(start + MAGIC_AT), start)
  const baseOffset = Number(view.getBigInt64(start))
  const crc = view.getUint32(start + CRC_AT)
  if (!isChecked && crc32c(set.subarray(start + ATTRIBUTES_AT, start + bytes)) !== crc) {
    throw corrupt(`the record batch at offset ${baseOffset} does not match its CRC-32C`, { start, bytes, baseOffset })
  }
  const attributes = view.getInt16(start + ATTRIBUTES_AT)
  const codec = CODECS[attributes & CODEC_BITS]
  if (codec === undefined) {
    const number = attributes & CODEC_BITS
    throw new MillpondError('FORMAT_UNSUPPORTED', `a record batch has codec ${number}, which is not known`, {
      details: { start, baseOffset, codec: number },
    })
  }
  const lastOffsetDelta = view.getInt32(start + LAST_OFFSET_DELTA_AT)
  const count = view.getInt32(start + COUNT_AT)
  const lastOffset = baseOffset + lastOffsetDelta
  const details = { start, baseOffset, lastOffsetDelta, count }
  if (baseOffset < 0 || lastOffsetDelta < 0 || !Number.isSafeInteger(lastOffset)) {
    throw corrupt(`a record batch covers offsets from ${baseOffset} on, to ${lastOffset}`, details)
  }
  if (count < 0 || count > lastOffsetDelta + 1) {
    throw corrupt(`the record batch at offset ${baseOffset} has ${count} records for ${lastOffsetDelta + 1} offsets`, details)
  }
  return {
    start,
    bytes,
    baseOffset,
    lastOffset,
    crc,
    count,
    codec,
    isControl: (attributes & CONTROL) !== 0,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    timestampType: (attributes & APPEND_TIME) === 0 ? 'create' : 'append',
    firstTimestamp: Number(view.getBigInt64(start + BASE_TIMESTAMP_AT)),
    maxTimestamp: Number(view.getBigInt64(start + MAX_TIMESTAMP_AT)),
    producerId: view.getBigInt64(start + PRODUCER_ID_AT),
    producerEpoch: view.getInt16(start + PRODUCER_EPOCH_AT),
    baseSequence: view.getInt32(start + BASE_SEQUENCE_AT),
    leaderEpoch: view.getInt32(start + LEADER_EPOCH_AT),
  }
}

/**
 * The messages of these batches of `set` with positions from `fromPosition` on; batches without messages are passed over. Spans are
 * over the decompressed bytes, of batches that are not compressed over those of `set`, which then must not change. gzip and zstd
 * are decompressed on libuv's threads side by side. There may be no message at all.
 * @throws MillpondError `RECORD_SET_CORRUPT`, also for a batch that decompresses to more than 1 GiB; `MESSAGE_TOO_LARGE` where they
 * have more than 2 GiB together.
 */
export async function readRecordBatches(
  set: Uint8Array,
  batches: readonly RecordBatchInfo[],
  fromPosition: number,
): Promise<MessageBatch> {
  const wanted = wantedBatches(batches, fromPosition)
  if (wanted.length === 0) return batchOf([])
  const parts = await Promise.all(wanted.map((info) => recordPart(set, info)))
  const shared = wanted.every(({ codec }) => codec === 'none') ? plainBytes(set) : onlyBytes(parts)
  return readRecordParts(parts, fromPosition, { shared })
}

/**
 * Unpacks these batches; the function it gives shows their messages with positions from `fromPosition` on to a visitor in the kernel's memory,
 * at once and without copying them out.
 * @throws MillpondError `RECORD_SET_CORRUPT`, as does the function.
 */
export async function unpackRecordBatches(
  set: Uint8Array,
  batches: readonly RecordBatchInfo[],
  fromPosition: number,
): Promise<(visitor: RecordVisitor) => void> {
  const parts = await Promise.all(wantedBatches(batches, fromPosition).map((info) => recordPart(set, info)))
  return (visitor) => visitRecordParts(parts, fromPosition, visitor)
}

const wantedBatches = (batches: readonly RecordBatchInfo[], fromPosition: number) =>
  batches.filter(({ count, isControl, lastOffset }) => count > 0 && !isControl && lastOffset >= fromPosition)

/** The same bytes as no Buffer: its `slice` would not copy. */
const plainBytes = (bytes: Uint8Array) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The bytes of what is one part and decompressed already: no copy is needed. */
const onlyBytes = (parts: readonly RecordPart[]) =>
  parts.length === 1 && parts[0]!.form === 'plain' ? parts[0]!.bytes : undefined

async function recordPart(set: Uint8Array, info: RecordBatchInfo): Promise<RecordPart> {
  const { codec, count, baseOffset, lastOffset } = info
  const stored = set.subarray(info.start + HEADER_BYTES, info.start + info.bytes)
  const isAppendTime = info.timestampType === 'append'
  const timestamp = isAppendTime ? info.maxTimestamp : info.firstTimestamp
  if (!Number.isSafeInteger(timestamp)) {
    const details = { baseOffset, timestamp, fault: UNSAFE_INTEGER }
    throw corrupt(`the batch at offset ${baseOffset} has the timestamp ${timestamp}, no safe integer`, details)
  }
  const bytes = isThreaded(codec) ? await unpackBatch(codec, stored, info) : stored
  return { form: formOf(codec), bytes, count, baseOffset, lastOffset, timestamp, isAppendTime }
}

async function unpackBatch(
  codec: 'gzip' | 'zstd',
  stored: Uint8Array,
  { baseOffset, count }: RecordBatchInfo,
): Promise<Uint8Array> {
  try {
    return await unpackRecords(codec, stored)
  } catch (error) {
    throw corrupt(`the records of the batch at offset ${baseOffset} cannot be decompressed`, { baseOffset, count, codec }, error)
  }
}

/** What the control batch says of its transaction; `other` for markers that clients pass over. Source: Apache Kafka 4.3, `ControlRecordType`. */
export function controlType(set: Uint8Array, info: RecordBatchInfo): 'commit' | 'abort' | 'other' {
  if (!info.isControl || info.count === 0 || info.codec !== 'none') return 'other'
  const bytes = set.subarray(info.start + HEADER_BYTES, info.start + info.bytes)
  // Length, attributes, both deltas; then the key: its length, version and type.
  let at = skipVarint(bytes, 0) + 1
  for (let numbers = 0; numbers < 3; numbers++) at = skipVarint(bytes, at)
  const type = (bytes[at + 2]! << 8) | bytes[at + 3]!
  return type === 0 ? 'abort' : type === 1 ? 'commit' : 'other'
}

function skipVarint(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at++]! >= 0x80);
  return at
}
