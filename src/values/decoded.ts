import type { MessageBatch } from '../batch/batch.ts'

/** The value of a row as JSON has it; undefined where it is null or not to be read so. Asking for the same row again costs nothing. */
export type ReadValue = (row: number) => unknown

/** Reads values whatever they are encoded as. */
export interface DecodedValues {
  /** Reads those of a batch of the topic, whose schemas are looked up first. */
  open(batch: MessageBatch, topic: string, signal: AbortSignal): Promise<ReadValue>
  /** The messages with values of registered schemas as JSON texts; those that cannot be read so stay as they are, and so does plain JSON, to the byte. */
  decode(batch: MessageBatch, topic: string, signal: AbortSignal): Promise<MessageBatch>
}

// A byte order mark is no JSON, and bytes that are no UTF-8 are none either.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The JSON value of the bytes; undefined where they are no JSON. */
export function parseJsonAt(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(decoder.decode(bytes.subarray(start, end)))
  } catch {
    return undefined
  }
}

/** Reads each row at most once while no other is asked for. */
export function onceEachRow(read: ReadValue): ReadValue {
  let lastRow = -1
  let last: unknown
  return (row) => {
    if (row !== lastRow) {
      lastRow = -1
      last = read(row)
      lastRow = row
    }
    return last
  }
}

/** Values that are JSON; no others. */
export const jsonValues: DecodedValues = {
  decode: async (batch) => batch,
  open: async (batch) =>
    onceEachRow((row) =>
      batch.valueStart[row] === -1 ? undefined : parseJsonAt(batch.bytes, batch.valueStart[row]!, batch.valueEnd[row]!),
    ),
}
