import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import { SLACK_BYTES } from '../kernel/kernel.ts'
import { type LoadedRows, withRows } from '../kernel/rows.ts'

/** Where the messages of a batch are, as their lines say it. */
export interface JsonOrigin {
  readonly topic: string
  readonly lane: string
}

/** Room for lines in the kernel. */
const OUT_BYTES = 2 * 1024 * 1024
/** Words that describe a call (`src/kernel/assembly/json-write.ts`), and their bytes. */
const CALL_WORDS = 11
const CALL_BYTES = 64
/**
 * A line takes at the most this many times what its record takes in Avro at the most, beside its prefix: a control character becomes six,
 * and the kernel reckons 192 bytes a line and 48 a header where Avro has 64 and 12.
 */
const GROWTH = 6

const encoder = new TextEncoder()
const align = (address: number): number => Math.ceil(address / 64) * 64

/**
 * A line for each message of the batch.
 * @throws MillpondError `MESSAGE_TOO_LARGE`; `POSITION_INVALID` and `INTERNAL` for what is no batch.
 */
export function writeJson(batch: MessageBatch, origin: JsonOrigin): Uint8Array {
  const prefix = encoder.encode(`{"topic":${JSON.stringify(origin.topic)},"lane":${JSON.stringify(origin.lane)},"position":`)
  const chunks: Uint8Array[] = []
  for (let row = 0; row < batch.count;) {
    const next = writeFrom(batch, row, prefix, chunks)
    // The next line alone may be longer than the usual room.
    row = next > row ? next : row + writeFrom(sliceBatch(batch, row, row + 1), 0, prefix, chunks)
  }
  return chunks.length === 1 ? chunks[0]! : concat(chunks)
}

/** Adds the lines of some rows from `from` on to `chunks` and gives the first row that is left: `from` itself where its line is long. */
function writeFrom(batch: MessageBatch, from: number, prefix: Uint8Array, chunks: Uint8Array[]): number {
  const outBytes = (rows: LoadedRows) =>
    rows.columns.count === 1 ? Math.max(OUT_BYTES, rows.encodedBytes * GROWTH + prefix.byteLength) : OUT_BYTES
  return withRows(
    batch,
    from,
    (rows) => CALL_BYTES + align(prefix.byteLength + SLACK_BYTES) + outBytes(rows),
    (rows) => from + writeLines(rows, prefix, outBytes(rows), chunks),
  )
}

/** Writes lines of the rows, as much as there is room for at a time, until all are written or one is too long. Gives how many are. */
function writeLines({ kernel, columns, bytesAt, free }: LoadedRows, prefix: Uint8Array, outBytes: number, chunks: Uint8Array[]) {
  const call = kernel.i32.subarray(free / 4, free / 4 + CALL_WORDS)
  const prefixAt = free + CALL_BYTES
  const outAt = align(prefixAt + prefix.byteLength + SLACK_BYTES)
  kernel.bytes.set(prefix, prefixAt)
  for (let row = 0; ;) {
    call.set([bytesAt, columns.start, columns.count, columns.headers, row, prefixAt, prefix.byteLength, outAt, outBytes])
    kernel.exports.writeJson(free)
    const written = call[9]!
    if (written > row) chunks.push(kernel.bytes.slice(outAt, outAt + (call[10]! >>> 0)))
    if (written === row || written === columns.count) return written
    row = written
  }
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
