import type { MessageBatch } from './batch.ts'

const encoder = new TextEncoder()

/** The batch with one more header behind the others of each message; bytes and columns of the batch are copied, not changed. */
export function addHeader(batch: MessageBatch, name: string, valueOf: (row: number) => string): MessageBatch {
  const nameBytes = encoder.encode(name)
  const values = Array.from({ length: batch.count }, (_, row) => encoder.encode(valueOf(row)))
  const bytes = new Uint8Array(
    batch.bytes.byteLength + nameBytes.byteLength + values.reduce((sum, value) => sum + value.byteLength, 0),
  )
  bytes.set(batch.bytes)
  bytes.set(nameBytes, batch.bytes.byteLength)
  const headers = batch.headerFrom[batch.count]! - batch.headerFrom[0]! + batch.count
  const columns = {
    headerFrom: new Int32Array(batch.count + 1),
    headerNameStart: new Int32Array(headers),
    headerNameEnd: new Int32Array(headers),
    headerValueStart: new Int32Array(headers),
    headerValueEnd: new Int32Array(headers),
  }
  let header = 0
  let used = batch.bytes.byteLength + nameBytes.byteLength
  const push = (nameStart: number, nameEnd: number, valueStart: number, valueEnd: number) => {
    columns.headerNameStart[header] = nameStart
    columns.headerNameEnd[header] = nameEnd
    columns.headerValueStart[header] = valueStart
    columns.headerValueEnd[header] = valueEnd
    header += 1
  }
  for (const [row, value] of values.entries()) {
    columns.headerFrom[row] = header
    for (let h = batch.headerFrom[row]!; h < batch.headerFrom[row + 1]!; h++) {
      push(batch.headerNameStart[h]!, batch.headerNameEnd[h]!, batch.headerValueStart[h]!, batch.headerValueEnd[h]!)
    }
    bytes.set(value, used)
    push(batch.bytes.byteLength, batch.bytes.byteLength + nameBytes.byteLength, used, used + value.byteLength)
    used += value.byteLength
  }
  columns.headerFrom[batch.count] = header
  return { ...batch, ...columns, bytes }
}
