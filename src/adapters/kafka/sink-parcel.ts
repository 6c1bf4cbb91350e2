import type { MessageBatch } from '../../batch/batch.ts'
import { selectRows, sliceBatch } from '../../batch/batch.ts'
import type { RecordBatchInfo, RecordCodec, RecordProducer } from '../../encode/record-set.ts'
import { readRecordBatches, rebaseRecordBatch, rowsThatFit, writeRecordBatch } from '../../encode/record-set.ts'

/** Messages that travel as one record batch: rows that are still to be written as one, or a batch as it was stored. */
export type Parcel =
  | { readonly kind: 'rows'; readonly batch: MessageBatch }
  | { readonly kind: 'stored'; readonly set: Uint8Array; readonly info: RecordBatchInfo }

/** How parcels are encoded. */
export interface ParcelEncoding {
  readonly codec: RecordCodec
  readonly level?: number
  readonly isTransactional: boolean
}

export const parcelCount = (parcel: Parcel): number => (parcel.kind === 'rows' ? parcel.batch.count : parcel.info.count)

/** Origin position of a row of a parcel; those of a stored one have no gaps. */
export const parcelPosition = (parcel: Parcel, row: number): number =>
  parcel.kind === 'rows' ? parcel.batch.positions[row]! : parcel.info.baseOffset + row

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
  if (parcel.kind === 'rows') {
    const options = { codec, producer, isTransactional, ...(level === undefined ? {} : { level }) }
    return [await writeRecordBatch(parcel.batch, 0, parcel.batch.count, options)]
  }
  return rebaseRecordBatch(parcel.set, parcel.info, { baseOffset: 0, producer, isTransactional })
}

/** The parcel's messages as rows; a stored one is decoded. */
export async function openParcel(parcel: Parcel): Promise<MessageBatch> {
  return parcel.kind === 'rows' ? parcel.batch : readRecordBatches(parcel.set, [parcel.info], parcel.info.baseOffset)
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
