import type { MessageBatch } from '../../batch/batch.ts'
import { selectRows, sliceBatch } from '../../batch/batch.ts'
import { giveAway } from '../../batch/given-away.ts'
import { markMessages, type MessageMarks } from '../../batch/mark.ts'
import type { AvroRecords, StoredMessages } from '../../encode/block.ts'
import type { RecordProducer } from '../../encode/record-batch.ts'
import type { RecordCodec } from '../../encode/record-header.ts'
import type { RecordBatchInfo } from '../../encode/record-set.ts'
import {
  isProducible,
  markRecordBatch,
  mostMarkBytes,
  rebaseRecordBatch,
  rowsThatFit,
  transcodeRecordBatch,
  writeRecordBatch,
} from '../../encode/record-batch.ts'
import { readRecordBatches, scanRecordSet } from '../../encode/record-set.ts'
import { decodeStored } from '../../encode/formats.ts'

/** Messages that travel as one record batch: rows or Avro records that are still to be written as one, or a batch as it was stored. */
export type Parcel =
  | { readonly kind: 'rows'; readonly batch: MessageBatch }
  | { readonly kind: 'records'; readonly records: AvroRecords }
  | { readonly kind: 'stored'; readonly set: Uint8Array; readonly info: RecordBatchInfo; readonly marks?: MessageMarks }

/** How parcels are encoded. */
export interface ParcelEncoding {
  readonly codec: RecordCodec
  readonly level?: number
  readonly isTransactional: boolean
}

export function parcelCount(parcel: Parcel): number {
  if (parcel.kind === 'rows') return parcel.batch.count
  return parcel.kind === 'records' ? parcel.records.count : parcel.info.count
}

/** Origin position of a row of a parcel; only rows may have gaps. */
export function parcelPosition(parcel: Parcel, row: number): number {
  if (parcel.kind === 'rows') return parcel.batch.positions[row]!
  return (parcel.kind === 'records' ? parcel.records.firstPosition : parcel.info.baseOffset) + row
}

/** Records that become a batch this much larger than is usual are still written as one: compressed it is smaller. */
const MOST_RECORDS = 1.25

/** What blocks hold as parcels; what cannot travel as it is goes as rows, in parcels of at most `maxBytes` before compression. */
export async function storedParcels(stored: StoredMessages, maxBytes: number, codec: RecordCodec): Promise<Parcel[]> {
  if (stored.format === 'avro') {
    if (recordsBytes(stored, codec) <= maxBytes * MOST_RECORDS) return [{ kind: 'records', records: stored }]
    return parcelsOf(await decodeStored(stored), maxBytes)
  }
  const { bytes: set, marks } = stored
  const parcels: Parcel[] = []
  // As part of its block it was checked.
  for (const info of scanRecordSet(set, { isChecked: true }).batches) {
    if (info.isControl || info.count === 0) continue
    const parcel = { kind: 'stored' as const, set, info, ...(marks === undefined ? {} : { marks }) }
    if (isProducible(info)) parcels.push(parcel)
    else parcels.push(...parcelsOf(await openParcel(parcel), maxBytes))
  }
  return parcels
}

/** What a mark takes that was there before, compressed, and its position. */
const REPEATED_MARK_BYTES = 24

/** About the length of these records; marks, which are nearly the same for all, only count as much as they take once they are compressed. */
function recordsBytes({ bytes, count, marks }: AvroRecords, codec: RecordCodec): number {
  if (marks === undefined) return bytes.byteLength
  return bytes.byteLength + count * (codec === 'none' ? mostMarkBytes(marks) : REPEATED_MARK_BYTES)
}

/** The messages as parcels of at most `maxBytes` before compression; a larger message is one by itself. */
export function parcelsOf(batch: MessageBatch, maxBytes: number): Parcel[] {
  const parcels: Parcel[] = []
  for (let from = 0; from < batch.count;) {
    const to = from + rowsThatFit(batch, from, maxBytes)
    parcels.push({ kind: 'rows', batch: from === 0 && to === batch.count ? batch : sliceBatch(batch, from, to) })
    from = to
  }
  return parcels
}

/** The record batch of a parcel, for this producer, in pieces. */
export async function encodeParcel(
  parcel: Parcel,
  producer: RecordProducer,
  { codec, level, isTransactional }: ParcelEncoding,
): Promise<readonly Uint8Array[]> {
  const options = { codec, producer, isTransactional, ...(level === undefined ? {} : { level }) }
  if (parcel.kind === 'rows') return [giveAway(await writeRecordBatch(parcel.batch, 0, parcel.batch.count, options))]
  if (parcel.kind === 'records') return [giveAway(await transcodeRecordBatch(parcel.records, options))]
  const { set, info, marks } = parcel
  if (marks === undefined) return rebaseRecordBatch(set, info, { baseOffset: 0, producer, isTransactional })
  return [giveAway(await markRecordBatch(set, info, marks, { producer, isTransactional }))]
}

/** The parcel's messages as rows. */
async function openParcel(parcel: Parcel): Promise<MessageBatch> {
  if (parcel.kind === 'rows') return parcel.batch
  if (parcel.kind === 'records') return decodeStored(parcel.records)
  const { set, info, marks } = parcel
  const batch = await readRecordBatches(set, [info], info.baseOffset)
  return marks === undefined ? batch : markMessages(batch, marks)
}

/** The parcel as two halves; it has two messages or more. */
export async function halveParcel(parcel: Parcel): Promise<readonly [Parcel, Parcel]> {
  const batch = await openParcel(parcel)
  const middle = batch.count >> 1
  return [
    { kind: 'rows', batch: sliceBatch(batch, 0, middle) },
    { kind: 'rows', batch: sliceBatch(batch, middle, batch.count) },
  ]
}

/** The parcel without some of its rows; undefined where none is left. */
export async function withoutRows(parcel: Parcel, rows: ReadonlySet<number>): Promise<Parcel | undefined> {
  const batch = await openParcel(parcel)
  const kept = Int32Array.from({ length: batch.count }, (_, row) => row).filter((row) => !rows.has(row))
  return kept.length === 0 ? undefined : { kind: 'rows', batch: selectRows(batch, kept) }
}
