import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import { batchOf } from '../batch/builder.ts'
import { MillpondError } from '../errors.ts'
import { crc32c, joinCrc32c } from '../kernel/checksum.ts'
import { UNSAFE_INTEGER } from '../kernel/fault.ts'
import { readRecordParts, type RecordPart, type RecordVisitor, visitRecordParts } from '../kernel/record-read.ts'
import { encodeRecords } from '../kernel/record-write.ts'
import { packRecords, unpackRecords } from './record-codec.ts'

/** Codecs of Kafka's record batches, in the order of their numbers. */
export type RecordCodec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

const CODECS: readonly RecordCodec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

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

/** The producer fields of a batch. */
export interface RecordProducer {
  readonly id: bigint
  readonly epoch: number
  /** Sequence number of the first record. */
  readonly baseSequence: number
}

/** How a batch is written. */
export interface WriteRecordBatchOptions {
  readonly codec: RecordCodec
  /** Effort of gzip (1 to 9) or zstd (1 to 22); 1 is fast and the default. */
  readonly level?: number
  /** Offset of the first record, 0 unless given; with `keepOffsets` the position of the first row. */
  readonly baseOffset?: number
  /** Offsets are the rows' positions with their gaps; otherwise they count up from `baseOffset`, as brokers demand of producers. */
  readonly keepOffsets?: boolean
  readonly producer?: RecordProducer
  readonly isTransactional?: boolean
}

/** What of a stored batch is set when it is produced again. */
export interface RebaseOptions {
  readonly baseOffset: number
  readonly producer?: RecordProducer
  readonly isTransactional?: boolean
}

/** Length of a batch's header. Source: Apache Kafka 4.3, `DefaultRecordBatch`; the places below are its. */
export const HEADER_BYTES = 61
const LENGTH_AT = 8
/** Offset and length, which the length leaves out. */
const LOG_OVERHEAD = 12
const LEADER_EPOCH_AT = 12
const MAGIC_AT = 16
const CRC_AT = 17
/** The CRC covers everything from here on. */
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const PRODUCER_ID_AT = 43
const PRODUCER_EPOCH_AT = 51
const BASE_SEQUENCE_AT = 53
const COUNT_AT = 57

const CODEC_BITS = 0x07
const APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const DELETE_HORIZON = 0x40

const MAX_OFFSET_DELTA = 0x7fff_ffff

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

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
  const isThreaded = codec === 'gzip' || codec === 'zstd'
  const bytes = isThreaded ? await unpackBatch(codec, stored, info) : stored
  const form = isThreaded || codec === 'none' ? 'plain' : codec
  return { form, bytes, count, baseOffset, lastOffset, timestamp, isAppendTime }
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

/**
 * One record batch of rows `from` to `to - 1`, of which there is one at the least, complete with its CRC. What Kafka's messages do
 * not have is left out: the id.
 * @throws MillpondError `POSITION_INVALID` where kept offsets do not fit one batch; `MESSAGE_TOO_LARGE` for more than 1 GiB of records.
 */
export async function writeRecordBatch(
  batch: MessageBatch,
  from: number,
  to: number,
  options: WriteRecordBatchOptions,
): Promise<Uint8Array> {
  const rows = sliceBatch(batch, from, to)
  const { codec, keepOffsets = false } = options
  const firstPosition = rows.positions[0]
  if (firstPosition === undefined) throw new MillpondError('INTERNAL', 'a record batch holds one message at the least')
  const baseOffset = options.baseOffset ?? (keepOffsets ? firstPosition : 0)
  const lastDelta = keepOffsets ? rows.positions[rows.count - 1]! - baseOffset : rows.count - 1
  if ((firstPosition < baseOffset && keepOffsets) || !(lastDelta <= MAX_OFFSET_DELTA)) {
    throw new MillpondError('POSITION_INVALID', `offsets from ${firstPosition} on do not fit a batch at ${baseOffset}`, {
      details: { firstPosition, baseOffset, lastDelta },
    })
  }
  const baseTimestamp = rows.timestamps[0]!
  const writing = { baseOffset, keepOffsets, baseTimestamp }
  let bytes: Uint8Array
  if (codec === 'gzip' || codec === 'zstd') {
    const records = encodeRecords(rows, { ...writing, form: 'plain', headBytes: 0 })
    const packed = await packRecords(codec, records, options.level)
    bytes = new Uint8Array(HEADER_BYTES + packed.byteLength)
    bytes.set(packed, HEADER_BYTES)
  } else {
    bytes = encodeRecords(rows, { ...writing, form: codec === 'none' ? 'plain' : codec, headBytes: HEADER_BYTES })
  }
  const view = viewOf(bytes)
  view.setBigInt64(0, BigInt(baseOffset))
  view.setInt32(LENGTH_AT, bytes.byteLength - LOG_OVERHEAD)
  view.setInt32(LEADER_EPOCH_AT, -1)
  view.setInt8(MAGIC_AT, 2)
  view.setInt16(ATTRIBUTES_AT, CODECS.indexOf(codec))
  view.setInt32(LAST_OFFSET_DELTA_AT, lastDelta)
  view.setBigInt64(BASE_TIMESTAMP_AT, BigInt(baseTimestamp))
  view.setBigInt64(MAX_TIMESTAMP_AT, BigInt(latest(rows)))
  view.setInt32(COUNT_AT, rows.count)
  setProducer(view, options)
  setCrc(bytes, view)
  return bytes
}

function latest({ count, timestamps }: MessageBatch): number {
  let most = timestamps[0]!
  for (let row = 1; row < count; row++) if (timestamps[row]! > most) most = timestamps[row]!
  return most
}

function setProducer(view: DataView, { producer, isTransactional }: Pick<RebaseOptions, 'producer' | 'isTransactional'>): void {
  view.setBigInt64(PRODUCER_ID_AT, producer?.id ?? -1n)
  view.setInt16(PRODUCER_EPOCH_AT, producer?.epoch ?? -1)
  view.setInt32(BASE_SEQUENCE_AT, producer?.baseSequence ?? -1)
  const attributes = view.getInt16(ATTRIBUTES_AT) & ~TRANSACTIONAL
  view.setInt16(ATTRIBUTES_AT, isTransactional === true ? attributes | TRANSACTIONAL : attributes)
}

const setCrc = (bytes: Uint8Array, view: DataView) => view.setUint32(CRC_AT, crc32c(bytes.subarray(ATTRIBUTES_AT)))

/** Bytes that a length or count takes: 7 of its bits, doubled by the zig-zag, go into each. */
const lengthBytes = (length: number) => Math.ceil((33 - Math.clz32(length)) / 7)

/** Attributes, a timestamp of ten bytes and an offset of five: with its length the most that a record has beside its fields. */
const RECORD_OVERHEAD_BYTES = 16 + 5

/**
 * How many rows from `from` on fit into one record batch of at most `maxBytes` before compression, header included: one at the least,
 * however large. A batch never spans more positions than its offsets can, so that it may keep them.
 */
export function rowsThatFit(batch: MessageBatch, from: number, maxBytes: number): number {
  const field = (start: number, end: number) => (start < 0 ? 1 : lengthBytes(end - start) + end - start)
  let bytes = HEADER_BYTES
  let row = from
  for (; row < batch.count; row++) {
    const firstHeader = batch.headerFrom[row]!
    const endHeader = batch.headerFrom[row + 1]!
    bytes += RECORD_OVERHEAD_BYTES + lengthBytes(endHeader - firstHeader)
    bytes += field(batch.keyStart[row]!, batch.keyEnd[row]!) + field(batch.valueStart[row]!, batch.valueEnd[row]!)
    for (let header = firstHeader; header < endHeader; header++) {
      bytes += field(batch.headerNameStart[header]!, batch.headerNameEnd[header]!)
      bytes += field(batch.headerValueStart[header]!, batch.headerValueEnd[header]!)
    }
    const isTooMuch = bytes > maxBytes || batch.positions[row]! - batch.positions[from]! > MAX_OFFSET_DELTA
    if (isTooMuch && row > from) break
  }
  return row - from
}

/**
 * Whether brokers take the stored batch from a producer as it is: they refuse gaps in its offsets, as compaction leaves them, and
 * timestamps that a broker gave. Source: Apache Kafka 4.3, `LogValidator`.
 */
export const isProducible = ({ count, baseOffset, lastOffset, isControl, timestampType }: RecordBatchInfo): boolean =>
  count > 0 && count === lastOffset - baseOffset + 1 && !isControl && timestampType === 'create'

/**
 * A stored batch, for which `isProducible` holds, fit to be produced again, in two pieces: its header anew, and its records as they lie in the
 * set. Its CRC is worked out from the one that it has.
 */
export function rebaseRecordBatch(
  set: Uint8Array,
  info: RecordBatchInfo,
  options: RebaseOptions,
): readonly [Uint8Array, Uint8Array] {
  const { start, bytes, crc } = info
  // Not by `slice`, which of a Buffer gives no copy.
  const head = new Uint8Array(set.subarray(start, start + HEADER_BYTES))
  const before = crc32c(head.subarray(ATTRIBUTES_AT))
  const view = viewOf(head)
  view.setBigInt64(0, BigInt(options.baseOffset))
  view.setInt32(LEADER_EPOCH_AT, -1)
  view.setInt16(ATTRIBUTES_AT, view.getInt16(ATTRIBUTES_AT) & ~DELETE_HORIZON)
  setProducer(view, options)
  // A CRC is linear: what differs in the header is moved over the records.
  const changed = before ^ crc32c(head.subarray(ATTRIBUTES_AT))
  view.setUint32(CRC_AT, joinCrc32c(changed, crc, bytes - HEADER_BYTES))
  return [head, set.subarray(start + HEADER_BYTES, start + bytes)]
}
