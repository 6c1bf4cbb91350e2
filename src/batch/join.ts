import { MillpondError } from '../errors.ts'
import type { MessageBatch } from './batch.ts'
import { MAX_BATCH_BYTES } from './builder.ts'
import { compactIfSparse } from './compact.ts'

/**
 * One batch of all messages of these, one at the least, in their order; a single one is given as it is.
 * @throws MillpondError `MESSAGE_TOO_LARGE` where it would pass 2 GiB.
 */
export function joinBatches(batches: readonly MessageBatch[]): MessageBatch {
  if (batches.length === 1) return batches[0]!
  const parts = batches.map(compactIfSparse)
  const total = (of: (batch: MessageBatch) => number) => parts.reduce((sum, batch) => sum + of(batch), 0)
  const length = total(({ bytes }) => bytes.byteLength)
  if (length > MAX_BATCH_BYTES)
    throw new MillpondError('MESSAGE_TOO_LARGE', `a batch holds at most ${MAX_BATCH_BYTES} bytes, not ${length}`)
  const count = total((batch) => batch.count)
  const headers = total((batch) => batch.headerFrom[batch.count]! - batch.headerFrom[0]!)
  const joined = {
    count,
    bytes: new Uint8Array(length),
    positions: new Float64Array(count),
    timestamps: new Float64Array(count),
    keyStart: new Int32Array(count),
    keyEnd: new Int32Array(count),
    valueStart: new Int32Array(count),
    valueEnd: new Int32Array(count),
    idStart: new Int32Array(count),
    idEnd: new Int32Array(count),
    headerFrom: new Int32Array(count + 1),
    headerNameStart: new Int32Array(headers),
    headerNameEnd: new Int32Array(headers),
    headerValueStart: new Int32Array(headers),
    headerValueEnd: new Int32Array(headers),
  }
  let row = 0
  let header = 0
  let at = 0
  for (const batch of parts) {
    joined.bytes.set(batch.bytes, at)
    joined.positions.set(batch.positions, row)
    joined.timestamps.set(batch.timestamps, row)
    for (const name of SPANS) moveSpans(batch[name], joined[name], { from: 0, to: row, count: batch.count, by: at })
    const from = batch.headerFrom[0]!
    const headerCount = batch.headerFrom[batch.count]! - from
    for (const name of HEADER_SPANS) moveSpans(batch[name], joined[name], { from, to: header, count: headerCount, by: at })
    for (let i = 0; i <= batch.count; i++) joined.headerFrom[row + i] = batch.headerFrom[i]! - from + header
    row += batch.count
    header += headerCount
    at += batch.bytes.byteLength
  }
  return joined
}

const SPANS = ['keyStart', 'keyEnd', 'valueStart', 'valueEnd', 'idStart', 'idEnd'] as const
const HEADER_SPANS = ['headerNameStart', 'headerNameEnd', 'headerValueStart', 'headerValueEnd'] as const

/** Copies places in the bytes that lie `by` further on now; -1, which is null, stays. */
function moveSpans(
  source: Int32Array,
  target: Int32Array,
  { from, to, count, by }: { readonly from: number; readonly to: number; readonly count: number; readonly by: number },
): void {
  for (let i = 0; i < count; i++) {
    const place = source[from + i]!
    target[to + i] = place < 0 ? place : place + by
  }
}
