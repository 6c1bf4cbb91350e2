import type { MessageBatch } from '../../src/batch/batch.ts'
import { BatchBuilder, type MessageInput } from '../../src/batch/builder.ts'
import type { TwinMessage } from './json-twin.ts'

/** A batch of messages whose ids and header names may be any bytes, which a builder takes as text only. */
export function batchOfBytes(messages: readonly TwinMessage[]): MessageBatch {
  const builder = new BatchBuilder()
  for (const message of messages) builder.add(message as unknown as MessageInput)
  return builder.build()
}

/** The messages of a batch, ids and header names as bytes. */
export function bytesOf(batch: MessageBatch): TwinMessage[] {
  const span = (start: number, end: number) => (start < 0 ? null : Buffer.from(batch.bytes.subarray(start, end)))
  return Array.from({ length: batch.count }, (_, row) => ({
    position: batch.positions[row]!,
    timestamp: batch.timestamps[row]!,
    key: span(batch.keyStart[row]!, batch.keyEnd[row]!),
    value: span(batch.valueStart[row]!, batch.valueEnd[row]!),
    id: span(batch.idStart[row]!, batch.idEnd[row]!),
    headers: Array.from({ length: batch.headerFrom[row + 1]! - batch.headerFrom[row]! }, (_, index) => {
      const h = batch.headerFrom[row]! + index
      return {
        name: span(batch.headerNameStart[h]!, batch.headerNameEnd[h]!)!,
        value: span(batch.headerValueStart[h]!, batch.headerValueEnd[h]!),
      }
    }),
  }))
}
