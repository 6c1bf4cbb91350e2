import type { MessageBatch } from '../batch/batch.ts'
import { joinBatches } from '../batch/join.ts'
import { isMillpondError } from '../errors.ts'
import { UNSAFE_INTEGER } from '../kernel/fault.ts'
import type { UnencodableMessage } from './avro-block.ts'
import { BASE_TIMESTAMP_AT, HEADER_BYTES } from './record-header.ts'
import { readRecordBatches, type RecordBatchInfo } from './record-set.ts'

const MAX_TIME = BigInt(Number.MAX_SAFE_INTEGER)

/** Whether the batch has timestamps that no column can hold; its header says so of all but what lies far before 1970 behind its first record. */
export const hasUnsafeTimes = ({ firstTimestamp, maxTimestamp }: RecordBatchInfo): boolean =>
  !Number.isSafeInteger(firstTimestamp) || !Number.isSafeInteger(maxTimestamp)

/** Whether reading failed for a timestamp that is no safe integer. */
export const isBeyondTime = (error: unknown): boolean =>
  isMillpondError(error, 'RECORD_SET_CORRUPT') && error.details['fault'] === UNSAFE_INTEGER

/**
 * As `readRecordBatches`, but timestamps that are no safe integers are cut to the largest or smallest one, which `withBeyondTime` then names: so
 * the messages around them can be archived.
 */
export async function readRecordsOfAnyTime(
  set: Uint8Array,
  batches: readonly RecordBatchInfo[],
  fromPosition: number,
): Promise<MessageBatch> {
  try {
    return await readRecordBatches(set, batches, fromPosition)
  } catch (error) {
    if (!isBeyondTime(error)) throw error
    // They are rare: how long it takes does not matter.
    return joinBatches(await Promise.all(batches.map((info) => readOne(set, info, fromPosition))))
  }
}

/** These faults of a batch's messages, and that their timestamps were cut. One entry a message, rising by row. */
export function withBeyondTime({ count, timestamps }: MessageBatch, faults: UnencodableMessage[]): UnencodableMessage[] {
  const reasons = new Map<number, string>()
  for (let row = 0; row < count; row++) {
    if (Math.abs(timestamps[row]!) >= Number.MAX_SAFE_INTEGER) reasons.set(row, 'the timestamp is beyond 2^53 ms')
  }
  if (reasons.size === 0) return faults
  for (const { row, reason } of faults) if (!reasons.has(row)) reasons.set(row, reason)
  return [...reasons].map(([row, reason]) => ({ row, reason })).sort((a, b) => a.row - b.row)
}

async function readOne(set: Uint8Array, info: RecordBatchInfo, fromPosition: number): Promise<MessageBatch> {
  const batch = await readRecordBatches(set, [{ ...info, timestampType: 'append', maxTimestamp: 0 }], fromPosition)
  if (batch.count === 0) return batch
  const isPlain = info.codec === 'none'
  const records = isPlain ? set.subarray(info.start + HEADER_BYTES, info.start + info.bytes) : batch.bytes
  const times = timesOf(records, info, new DataView(set.buffer, set.byteOffset).getBigInt64(info.start + BASE_TIMESTAMP_AT))
  // Records before the position are left out.
  return { ...batch, timestamps: times.subarray(times.length - batch.count) }
}

/** The timestamps of all records of a batch, which were read before and so are whole. */
function timesOf(records: Uint8Array, { count, timestampType, maxTimestamp }: RecordBatchInfo, base: bigint): Float64Array {
  const times = new Float64Array(count)
  let at = 0
  const number = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = records[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n)
    }
  }
  for (let record = 0; record < count; record++) {
    const end = Number(number()) + at
    // Attributes.
    at += 1
    const time = timestampType === 'append' ? BigInt(maxTimestamp) : BigInt.asIntN(64, base + number())
    times[record] = Number(time > MAX_TIME ? MAX_TIME : time < -MAX_TIME ? -MAX_TIME : time)
    at = end
  }
  return times
}
