import { type MessageBatch, payloadBytes, selectRows, sliceBatch } from '../../batch/batch.ts'
import { findUnencodable } from '../../encode/avro-block.ts'
import type { AvroBlock, Codec, LookupField } from '../../encode/block.ts'
import { createBlockEncoder, createBufferPool, DEFAULT_BLOCK_BYTES } from '../../encode/block-encoder.ts'
import { MillpondError } from '../../errors.ts'
import { partitionKeys } from '../../kernel/partition.ts'
import { type BlockRow, rowOf } from './rows.ts'

/** Where messages of an append went, lane by lane; within a lane they have the positions from `firstPosition` on, in their order. */
export interface Appended {
  readonly lanes: readonly AppendedLane[]
  /** Where each message went, where that was asked for: an index into `lanes`, and its position. */
  readonly rows?: { readonly laneIndex: Int32Array; readonly positions: Float64Array }
}

export interface AppendedLane {
  readonly lane: string
  readonly firstPosition: number
  readonly count: number
}

/** How rows are encoded. */
export interface RowOptions {
  readonly codec: Codec
  readonly level: number | undefined
  readonly lookups: readonly LookupField[]
}

/** A row of fewer bytes has no filters and is not handed over as it is: who reads gathers it with others into larger blocks. */
export const WHOLE_BLOCK_BYTES = 256 * 1024
/** Rows of fewer bytes, a page of the database, are not worth compressing: who reads gathers them and compresses them then. */
const COMPRESSED_BYTES = 16 * 1024
/** Where the blocks of all appends are put together. */
const pool = createBufferPool(DEFAULT_BLOCK_BYTES, 8)
/** Bytes that go through compression side by side, so that one huge batch does not stand in memory twice. */
const ENCODED_AT_ONCE_BYTES = 8 * 1024 * 1024
/** What the encoding adds to the content of a message and of a header, at the most but for huge ones, bytes. */
const MESSAGE_OVERHEAD_BYTES = 40
const HEADER_OVERHEAD_BYTES = 8

/**
 * The batch with positions from 0 and timestamps that are there.
 * @throws MillpondError `INPUT_INVALID` naming the message (`row`) that cannot be stored.
 */
export function checkedBatch(batch: MessageBatch, timestampDefaultMs: number | undefined): MessageBatch {
  let timestamps = batch.timestamps
  for (let row = 0; row < batch.count; row++) {
    const timestamp = batch.timestamps[row]!
    if (Number.isSafeInteger(timestamp)) continue
    if (!Number.isNaN(timestamp) || timestampDefaultMs === undefined) {
      throw new MillpondError('INPUT_INVALID', `message ${row}: timestamp ${timestamp} ms is no safe integer`, {
        details: { row },
      })
    }
    if (timestamps === batch.timestamps) timestamps = timestamps.slice(0, batch.count)
    timestamps[row] = timestampDefaultMs
  }
  const checked = { ...batch, timestamps, positions: ramp(0, batch.count) }
  const [fault] = findUnencodable(checked)
  if (fault === undefined) return checked
  throw new MillpondError('INPUT_INVALID', `message ${fault.row}: ${fault.reason}`, { details: { row: fault.row } })
}

function ramp(first: number, count: number): Float64Array {
  const positions = new Float64Array(count)
  for (let i = 0; i < count; i++) positions[i] = first + i
  return positions
}

/** The messages of one partition, in order, with their positions. */
export interface PartitionPlan {
  readonly batches: MessageBatch[]
  nextPosition: number
}

/** One append on its way to the partitions of a topic. */
export interface Routing {
  readonly batch: MessageBatch
  readonly partitions: number
  /** The partition of messages without a key. */
  readonly keylessLane: number
  /** Overrides what keys choose where it is not -1; it names lanes that there are. */
  readonly laneOf: Int32Array | undefined
  readonly rowPositions: boolean
  readonly planOf: (lane: number) => PartitionPlan
}

/** Puts the messages behind what is planned for their partitions. */
export function route(routing: Routing): Appended {
  const { batch, partitions, rowPositions, planOf } = routing
  const laneOf = chooseLanes(routing)
  const lanes: AppendedLane[] = []
  const positions = new Float64Array(rowPositions ? batch.count : 0)
  const laneIndex = new Int32Array(rowPositions ? batch.count : 0)
  for (const [lane, rows] of rowsByLane(laneOf, partitions)) {
    const plan = planOf(lane)
    const firstPosition = plan.nextPosition
    const selected = rows.length === batch.count ? batch : selectRows(batch, rows)
    plan.batches.push({ ...selected, positions: ramp(firstPosition, rows.length) })
    plan.nextPosition += rows.length
    if (rowPositions) {
      for (let i = 0; i < rows.length; i++) {
        positions[rows[i]!] = firstPosition + i
        laneIndex[rows[i]!] = lanes.length
      }
    }
    lanes.push({ lane: String(lane), firstPosition, count: rows.length })
  }
  return rowPositions ? { lanes, rows: { laneIndex, positions } } : { lanes }
}

function chooseLanes({ batch, partitions, keylessLane, laneOf: wanted }: Routing): Int32Array {
  if (partitions === 1) return new Int32Array(batch.count)
  const laneOf = partitionKeys(batch, partitions)
  for (let row = 0; row < batch.count; row++) {
    if (wanted !== undefined && wanted[row]! >= 0) laneOf[row] = wanted[row]!
    else if (laneOf[row]! < 0) laneOf[row] = keylessLane
  }
  return laneOf
}

/** The rows of each lane that has some, rising. */
function rowsByLane(laneOf: Int32Array, partitions: number): Map<number, Int32Array> {
  const counts = new Int32Array(partitions)
  for (const lane of laneOf) counts[lane]! += 1
  const found = new Map<number, Int32Array>()
  for (const [lane, count] of counts.entries()) if (count > 0) found.set(lane, new Int32Array(count))
  counts.fill(0)
  for (let row = 0; row < laneOf.length; row++) {
    const lane = laneOf[row]!
    found.get(lane)![counts[lane]!++] = row
  }
  return found
}

/** The planned messages of a partition as rows of about one block of the archive each. */
export async function encodeRows(partitionKey: number, { batches }: PartitionPlan, options: RowOptions): Promise<BlockRow[]> {
  const bytes = batches.reduce((sum, batch) => sum + encodedBytes(batch), 0)
  const encoder = createBlockEncoder({
    codec: bytes < COMPRESSED_BYTES ? 'null' : options.codec,
    ...(options.level === undefined ? {} : { level: options.level }),
    lookups: bytes < WHOLE_BLOCK_BYTES ? [] : options.lookups,
    pool,
  })
  const rows: BlockRow[] = []
  const take = async (blocks: readonly Promise<AvroBlock>[]) => {
    for (const block of await Promise.all(blocks)) rows.push(rowOf(partitionKey, block))
  }
  for (const batch of batches) {
    for (const piece of pieces(batch)) await take(encoder.add(piece))
  }
  const last = encoder.flush()
  if (last) await take([last])
  return rows
}

const encodedBytes = (batch: MessageBatch): number =>
  payloadBytes(batch) +
  batch.count * MESSAGE_OVERHEAD_BYTES +
  (batch.headerFrom[batch.count]! - batch.headerFrom[0]!) * HEADER_OVERHEAD_BYTES

function* pieces(batch: MessageBatch): Generator<MessageBatch> {
  const rows = Math.max(1, Math.floor((batch.count * ENCODED_AT_ONCE_BYTES) / Math.max(1, payloadBytes(batch))))
  if (rows >= batch.count) yield batch
  else for (let from = 0; from < batch.count; from += rows) yield sliceBatch(batch, from, Math.min(batch.count, from + rows))
}
