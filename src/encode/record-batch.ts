import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import type { MessageMarks } from '../batch/mark.ts'
import { MillpondError } from '../errors.ts'
import { crc32c, joinCrc32c } from '../kernel/checksum.ts'
import { markBytes, markRecords, type RecordMarks, type TranscodedRecords, transcodeRecords } from '../kernel/record-transcode.ts'
import { encodeRecords } from '../kernel/record-write.ts'
import { Output } from '../values/avro/output.ts'
import type { AvroRecords } from './block.ts'
import { formOf, isThreaded, packRecords } from './record-codec.ts'
import {
  ATTRIBUTES_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  CODECS,
  COUNT_AT,
  CRC_AT,
  DELETE_HORIZON,
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
import { type RecordBatchInfo, unpackRecordBatches } from './record-set.ts'

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

const MAX_OFFSET_DELTA = 0x7fff_ffff

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
  const records = encodeRecords(rows, { baseOffset, keepOffsets, baseTimestamp, ...packingOf(codec) })
  const bytes = await packed(records, options)
  const times = { first: baseTimestamp, most: latest(rows) }
  return withHeader(bytes, { baseOffset, lastDelta, count: rows.count, times, codec }, options)
}

interface BatchHeader {
  readonly baseOffset: number
  readonly lastDelta: number
  readonly count: number
  readonly times: { readonly first: number; readonly most: number }
  readonly codec: RecordCodec
}

/** Fills in the header before the records. */
function withHeader(
  bytes: Uint8Array,
  { baseOffset, lastDelta, count, times, codec }: BatchHeader,
  producer: Pick<RebaseOptions, 'producer' | 'isTransactional'>,
): Uint8Array {
  const view = viewOf(bytes)
  view.setBigInt64(0, BigInt(baseOffset))
  view.setInt32(LENGTH_AT, bytes.byteLength - LOG_OVERHEAD)
  view.setInt32(LEADER_EPOCH_AT, -1)
  view.setInt8(MAGIC_AT, 2)
  view.setInt16(ATTRIBUTES_AT, CODECS.indexOf(codec))
  view.setInt32(LAST_OFFSET_DELTA_AT, lastDelta)
  view.setBigInt64(BASE_TIMESTAMP_AT, BigInt(times.first))
  view.setBigInt64(MAX_TIMESTAMP_AT, BigInt(times.most))
  view.setInt32(COUNT_AT, count)
  setProducer(view, producer)
  setCrc(bytes, view)
  return bytes
}

/**
 * One record batch of these messages, whose offsets count up from 0, complete with its CRC: as `writeRecordBatch`, but no columns are made of
 * them in between.
 * @throws MillpondError `BLOCK_CORRUPT` where they are not what is said of them.
 */
export async function transcodeRecordBatch(
  { bytes: raw, count, firstPosition, marks }: AvroRecords,
  options: TranscodeOptions,
): Promise<Uint8Array> {
  const records = transcodeRecords(raw, count, transcodingOf(options.codec, marks))
  const span = { count, firstPosition, lastPosition: firstPosition + count - 1 }
  checkSpan(records, span, 'BLOCK_CORRUPT')
  return finish(records, span, options)
}

/**
 * A stored batch, for which `isProducible` holds, in its own codec, with headers behind those of its records: as its messages would be written, but no
 * columns are made of them in between.
 * @throws MillpondError `RECORD_SET_CORRUPT`.
 */
export async function markRecordBatch(
  set: Uint8Array,
  info: RecordBatchInfo,
  marks: MessageMarks,
  options: Omit<TranscodeOptions, 'codec'>,
): Promise<Uint8Array> {
  const { codec, count, baseOffset: firstPosition, lastOffset: lastPosition } = info
  const visit = await unpackRecordBatches(set, [info], firstPosition)
  const records = markRecords(visit, transcodingOf(codec, marks))
  checkSpan(records, { count, firstPosition, lastPosition }, 'RECORD_SET_CORRUPT')
  return finish(records, { count, firstPosition, lastPosition }, { ...options, codec })
}

type TranscodeOptions = Omit<WriteRecordBatchOptions, 'baseOffset' | 'keepOffsets'>

interface Span {
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
}

/** How the kernel writes records for this codec: with room for the header, unless threads of Node's are to compress them. */
const packingOf = (codec: RecordCodec) => ({ form: formOf(codec), headBytes: isThreaded(codec) ? 0 : HEADER_BYTES })

/** What the kernel wrote by `packingOf`, compressed, behind room for the header. */
async function packed(
  records: Uint8Array,
  { codec, level }: Pick<WriteRecordBatchOptions, 'codec' | 'level'>,
): Promise<Uint8Array> {
  return isThreaded(codec) ? behindHeader(await packRecords(codec, records, level)) : records
}

const transcodingOf = (codec: RecordCodec, marks: MessageMarks | undefined) => ({
  ...packingOf(codec),
  ...(marks === undefined ? {} : { marks: recordMarks(marks) }),
})

function checkSpan(
  { firstPosition, lastPosition }: TranscodedRecords,
  span: Span,
  code: 'BLOCK_CORRUPT' | 'RECORD_SET_CORRUPT',
): void {
  if (firstPosition === span.firstPosition && lastPosition === span.lastPosition) return
  const said = `a block of positions ${span.firstPosition} to ${span.lastPosition}`
  throw new MillpondError(code, `${said} holds positions ${firstPosition} to ${lastPosition}`)
}

async function finish(records: TranscodedRecords, { count }: Span, options: TranscodeOptions): Promise<Uint8Array> {
  const times = { first: records.firstTimestamp, most: records.maxTimestamp }
  const header = { baseOffset: 0, lastDelta: count - 1, count, times, codec: options.codec }
  return withHeader(await packed(records.bytes, options), header, options)
}

const encoder = new TextEncoder()
const knownMarks = new WeakMap<MessageMarks, RecordMarks>()

/** The marks as a record has them: lengths of fields are written as Avro writes its own. */
function recordMarks(marks: MessageMarks): RecordMarks {
  const known = knownMarks.get(marks)
  if (known !== undefined) return known
  const output = new Output()
  for (const { name, value } of marks.headers) for (const text of [name, value]) output.writeSized(encoder.encode(text))
  output.writeSized(encoder.encode(marks.positionName))
  const made = { headers: marks.headers.length + 1, bytes: output.written() }
  knownMarks.set(marks, made)
  return made
}

/** Bytes that marks make a record longer by, at the most. */
export const mostMarkBytes = (marks: MessageMarks): number => markBytes(recordMarks(marks))

function behindHeader(packed: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + packed.byteLength)
  bytes.set(packed, HEADER_BYTES)
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
