import { MillpondError } from '../errors.ts'
import { columnsBytes } from './columns.ts'
import { checkResult, HEADERS_FULL } from './fault.ts'
import { type Kernel, SLACK_BYTES, withKernel } from './kernel.ts'
import type { RecordRows, RecordVisitor } from './record-read.ts'
import { packIn, packedRoom, packing, type RecordForm } from './record-write.ts'

/** Avro records as records of Kafka's. */
export interface TranscodedRecords {
  /** The records, behind `headBytes` that are left free. */
  readonly bytes: Uint8Array
  readonly firstPosition: number
  readonly lastPosition: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
}

/** Headers that each record gets behind its own, of which there is one at the least: their bytes, but for the last one's value, its position. */
export interface RecordMarks {
  readonly headers: number
  readonly bytes: Uint8Array
}

export interface Transcoding {
  readonly form: RecordForm
  readonly headBytes: number
  readonly marks?: RecordMarks
}

/** What a record of Kafka's may be longer by: its length, attributes, time and offset, and the number of its headers. */
const RECORD_GROWTH_BYTES = 5 + 1 + 10 + 5 + 5
const RESULT_BYTES = 64
/** The text of the largest position, and its length. */
const POSITION_BYTES = 17
const NO_MARKS: RecordMarks = { headers: 0, bytes: new Uint8Array(0) }
const align = (address: number) => Math.ceil(address / 64) * 64

/**
 * `count` Avro records, which must be all that `raw` holds and of which there is one at the least, as records whose offsets count up from 0 and
 * whose timestamps count from the first one's. Nothing of them leaves the kernel in between; their ids are no part of it.
 * @throws MillpondError `BLOCK_CORRUPT`.
 */
export function transcodeRecords(raw: Uint8Array, count: number, transcoding: Transcoding): TranscodedRecords {
  // Two bytes are the least that a header takes. Room for all that could be there is rarely needed.
  const mostHeaders = raw.byteLength >> 1
  for (let headers = Math.min(mostHeaders, Math.max(1024, count * 8)); ; headers = Math.min(mostHeaders, headers * 8)) {
    const transcoded = tryRecords(raw, { count, headers }, transcoding)
    if (transcoded !== undefined) return transcoded
  }
}

function tryRecords(
  raw: Uint8Array,
  { count, headers }: { readonly count: number; readonly headers: number },
  transcoding: Transcoding,
): TranscodedRecords | undefined {
  const room = columnsBytes(count, headers) + raw.byteLength + outputRoom({ count, bytes: raw.byteLength }, transcoding)
  return withKernel(RESULT_BYTES + room + 3 * SLACK_BYTES, (kernel) => {
    const result = kernel.arenaStart
    const start = result + RESULT_BYTES
    const source = align(start + columnsBytes(count, headers))
    kernel.bytes.set(raw, source)
    const found = kernel.exports.readRows(source, raw.byteLength, start, count, headers, result)
    if (found === HEADERS_FULL) return undefined
    const at = { row: kernel.i32[result / 4], offset: kernel.i32[result / 4 + 1] }
    checkResult(found, 'BLOCK_CORRUPT', `a block of ${count} messages cannot be read`, found < 0 ? at : {})
    const free = align(source + raw.byteLength + SLACK_BYTES)
    return writeRows({ kernel, columns: { start, count, headers }, bytesAt: source, free }, transcoding)
  })
}

/**
 * The records of one batch of Kafka's, which `visit` shows as `unpackRecordBatches` gives it and whose offsets have no gaps, with their marks.
 * @throws MillpondError `RECORD_SET_CORRUPT`.
 */
export function markRecords(visit: (visitor: RecordVisitor) => void, transcoding: Transcoding): TranscodedRecords {
  let marked: TranscodedRecords | undefined
  visit({
    scratchBytes: (rows) => outputRoom(rows, transcoding),
    use(rows) {
      // One batch is shown at once, and all of it.
      if (marked === undefined && rows.count === rows.columns.count) marked = writeRows(rows, transcoding)
    },
  })
  if (marked === undefined) throw new MillpondError('RECORD_SET_CORRUPT', 'a record batch does not hold the records that it says')
  return marked
}

/** Bytes that a record is longer by with these marks, at the most. */
export const markBytes = ({ headers, bytes }: RecordMarks): number => (headers === 0 ? 0 : bytes.byteLength + POSITION_BYTES)

/** Room for what `writeRows` writes of so many messages, whose records take so many bytes. */
function outputRoom(
  { count, bytes }: { readonly count: number; readonly bytes: number },
  { form, marks = NO_MARKS }: Transcoding,
): number {
  const records = bytes + count * (RECORD_GROWTH_BYTES + markBytes(marks))
  return marks.bytes.byteLength + records + packedRoom(form, records) + 3 * SLACK_BYTES
}

/** Writes the rows behind themselves as records, and gives a copy of those. */
function writeRows(
  { kernel, columns, bytesAt, free }: Pick<RecordRows, 'kernel' | 'columns' | 'bytesAt' | 'free'>,
  { form, headBytes, marks = NO_MARKS }: Transcoding,
): TranscodedRecords {
  const { start, count, headers } = columns
  const positions = kernel.f64.subarray(start / 8, start / 8 + count)
  const times = kernel.f64.subarray(start / 8 + count, start / 8 + 2 * count)
  const firstTimestamp = times[0]!
  kernel.bytes.set(marks.bytes, free)
  const out = align(free + marks.bytes.byteLength)
  const place = [marks.headers, free, marks.bytes.byteLength] as const
  const length = kernel.exports.writeRecords(start, count, headers, bytesAt, out, 0, 0, firstTimestamp, ...place)
  return {
    bytes: packedOut(kernel, { at: out, length }, { form, headBytes }),
    firstPosition: positions[0]!,
    lastPosition: positions[count - 1]!,
    firstTimestamp,
    maxTimestamp: times.reduce((most, time) => Math.max(most, time)),
  }
}

function packedOut(
  kernel: Kernel,
  { at, length }: { readonly at: number; readonly length: number },
  { form, headBytes }: Transcoding,
): Uint8Array {
  const { head, end } = packing[form]
  const packed = packIn(kernel, form, { at, length })
  const used = headBytes + head.byteLength
  // All of it is written.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(used + packed.length + end.byteLength).buffer)
  bytes.set(head, headBytes)
  bytes.set(kernel.bytes.subarray(packed.at, packed.at + packed.length), used)
  bytes.set(end, used + packed.length)
  return bytes
}
