import { type MessageBatch, payloadBytes } from './batch.ts'

/** Bytes below which nothing is worth copying. */
const SMALL_BYTES = 64 * 1024

/** The batch with bytes of its own where it points at less than an eighth of those it shares, so that few messages hold no whole block. */
export function compactIfSparse(batch: MessageBatch): MessageBatch {
  if (batch.bytes.byteLength < SMALL_BYTES) return batch
  return payloadBytes(batch) * 8 > batch.bytes.byteLength ? batch : compact(batch)
}

/** The batch with bytes and columns of its own that hold nothing else, message after message of each column. */
export function compact(batch: MessageBatch): MessageBatch {
  const bytes = new Uint8Array(payloadBytes(batch))
  let used = 0
  const move = (starts: Int32Array, ends: Int32Array, from: number, to: number): { starts: Int32Array; ends: Int32Array } => {
    const movedStarts = starts.slice(from, to)
    const movedEnds = ends.slice(from, to)
    for (let i = 0; i < movedStarts.length; i++) {
      const start = movedStarts[i]!
      if (start < 0) continue
      const end = movedEnds[i]!
      bytes.set(batch.bytes.subarray(start, end), used)
      movedStarts[i] = used
      used += end - start
      movedEnds[i] = used
    }
    return { starts: movedStarts, ends: movedEnds }
  }
  const firstHeader = batch.headerFrom[0]!
  const lastHeader = batch.headerFrom[batch.count]!
  const key = move(batch.keyStart, batch.keyEnd, 0, batch.count)
  const value = move(batch.valueStart, batch.valueEnd, 0, batch.count)
  const id = move(batch.idStart, batch.idEnd, 0, batch.count)
  const name = move(batch.headerNameStart, batch.headerNameEnd, firstHeader, lastHeader)
  const headerValue = move(batch.headerValueStart, batch.headerValueEnd, firstHeader, lastHeader)
  return {
    count: batch.count,
    bytes,
    positions: batch.positions.slice(),
    timestamps: batch.timestamps.slice(),
    keyStart: key.starts,
    keyEnd: key.ends,
    valueStart: value.starts,
    valueEnd: value.ends,
    idStart: id.starts,
    idEnd: id.ends,
    headerFrom: batch.headerFrom.map((header) => header - firstHeader),
    headerNameStart: name.starts,
    headerNameEnd: name.ends,
    headerValueStart: headerValue.starts,
    headerValueEnd: headerValue.ends,
  }
}
