/**
 * Messages of one lane, in order, as a struct of arrays over shared bytes. No object exists per message.
 *
 * Message `i` of `count` has `positions[i]` (strictly rising safe integers, gaps allowed) and `timestamps[i]` (whole ms since
 * 1970, safe integers). Its key is `bytes[keyStart[i], keyEnd[i])`; a start of -1 is null, start = end is empty; value and id
 * (UTF-8) alike. Its headers are `headerFrom[i] .. headerFrom[i + 1] - 1` of the four header arrays: names are UTF-8 and may
 * repeat, values are bytes or null (-1), and their order is kept. `headerFrom` need not begin with 0: a slice shares the arrays.
 *
 * Columns are never changed once a batch is built. `bytes` may hold more than the columns point at.
 */
export interface MessageBatch {
  readonly count: number
  readonly bytes: Uint8Array
  readonly positions: Float64Array
  readonly timestamps: Float64Array
  readonly keyStart: Int32Array
  readonly keyEnd: Int32Array
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array
  readonly idStart: Int32Array
  readonly idEnd: Int32Array
  /** `count + 1` entries. */
  readonly headerFrom: Int32Array
  readonly headerNameStart: Int32Array
  readonly headerNameEnd: Int32Array
  readonly headerValueStart: Int32Array
  readonly headerValueEnd: Int32Array
}

/** The messages `from` to `to - 1` of a batch; shares every byte and column with it. */
export function sliceBatch(batch: MessageBatch, from: number, to: number): MessageBatch {
  return {
    count: to - from,
    bytes: batch.bytes,
    positions: batch.positions.subarray(from, to),
    timestamps: batch.timestamps.subarray(from, to),
    keyStart: batch.keyStart.subarray(from, to),
    keyEnd: batch.keyEnd.subarray(from, to),
    valueStart: batch.valueStart.subarray(from, to),
    valueEnd: batch.valueEnd.subarray(from, to),
    idStart: batch.idStart.subarray(from, to),
    idEnd: batch.idEnd.subarray(from, to),
    headerFrom: batch.headerFrom.subarray(from, to + 1),
    headerNameStart: batch.headerNameStart,
    headerNameEnd: batch.headerNameEnd,
    headerValueStart: batch.headerValueStart,
    headerValueEnd: batch.headerValueEnd,
  }
}

const COLUMN_BYTES = 2 * 8 + 7 * 4
const HEADER_COLUMN_BYTES = 4 * 4

/** The messages at `rows` (rising indexes into the batch), sharing its bytes; columns are copied, header columns shared where possible. */
export function selectRows(batch: MessageBatch, rows: Int32Array): MessageBatch {
  const count = rows.length
  let headers = 0
  for (const row of rows) headers += batch.headerFrom[row + 1]! - batch.headerFrom[row]!
  // One buffer for all columns: a batch of few messages would else pay for a dozen small ones.
  const buffer = new ArrayBuffer(count * COLUMN_BYTES + 4 + headers * HEADER_COLUMN_BYTES)
  const ints = (index: number, length: number) => new Int32Array(buffer, 16 * count + 4 * index, length)
  const firstHeader = 7 * count + 1
  const selected = {
    count,
    bytes: batch.bytes,
    positions: new Float64Array(buffer, 0, count),
    timestamps: new Float64Array(buffer, 8 * count, count),
    keyStart: ints(0, count),
    keyEnd: ints(count, count),
    valueStart: ints(2 * count, count),
    valueEnd: ints(3 * count, count),
    idStart: ints(4 * count, count),
    idEnd: ints(5 * count, count),
    headerFrom: ints(6 * count, count + 1),
    headerNameStart: ints(firstHeader, headers),
    headerNameEnd: ints(firstHeader + headers, headers),
    headerValueStart: ints(firstHeader + 2 * headers, headers),
    headerValueEnd: ints(firstHeader + 3 * headers, headers),
  }
  let header = 0
  for (let i = 0; i < count; i++) {
    const row = rows[i]!
    selected.positions[i] = batch.positions[row]!
    selected.timestamps[i] = batch.timestamps[row]!
    selected.keyStart[i] = batch.keyStart[row]!
    selected.keyEnd[i] = batch.keyEnd[row]!
    selected.valueStart[i] = batch.valueStart[row]!
    selected.valueEnd[i] = batch.valueEnd[row]!
    selected.idStart[i] = batch.idStart[row]!
    selected.idEnd[i] = batch.idEnd[row]!
    selected.headerFrom[i] = header
    for (let h = batch.headerFrom[row]!; h < batch.headerFrom[row + 1]!; h++, header++) {
      selected.headerNameStart[header] = batch.headerNameStart[h]!
      selected.headerNameEnd[header] = batch.headerNameEnd[h]!
      selected.headerValueStart[header] = batch.headerValueStart[h]!
      selected.headerValueEnd[header] = batch.headerValueEnd[h]!
    }
  }
  selected.headerFrom[count] = header
  return selected
}

/** Bytes of keys, values, ids and headers that the batch's messages point at; not the columns, not what `bytes` holds beside. */
export function payloadBytes(batch: MessageBatch): number {
  let bytes = 0
  for (let row = 0; row < batch.count; row++) bytes += rowBytes(batch, row)
  return bytes
}

/** The same of one message. */
export function rowBytes(batch: MessageBatch, row: number): number {
  let bytes =
    batch.keyEnd[row]! -
    batch.keyStart[row]! +
    batch.valueEnd[row]! -
    batch.valueStart[row]! +
    batch.idEnd[row]! -
    batch.idStart[row]!
  const last = batch.headerFrom[row + 1]!
  for (let h = batch.headerFrom[row]!; h < last; h++) {
    bytes += batch.headerNameEnd[h]! - batch.headerNameStart[h]! + batch.headerValueEnd[h]! - batch.headerValueStart[h]!
  }
  return bytes
}

/** Memory that holding this batch costs, in bytes: its shared bytes and its columns. */
export function heldBytes(batch: MessageBatch): number {
  return batch.bytes.byteLength + batch.count * COLUMN_BYTES + batch.headerNameStart.length * HEADER_COLUMN_BYTES
}
