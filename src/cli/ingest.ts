import type { MessageBatch } from '../batch/batch.ts'
import { MAX_BATCH_BYTES } from '../batch/builder.ts'
import { parseJsonLines } from '../encode/json-lines.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { Log } from '../wiring/local.ts'
import { type ByteReader, firstLines, type LineChunk, lineChunks, openFileReader } from './line-chunks.ts'

/** What a line is: an object that describes a message, or a value. */
export type IngestFormat = 'json' | 'lines'

export interface IngestionOptions {
  readonly format: IngestFormat
  readonly nowMs: () => number
  /** The most bytes of a message; what a batch can hold where it is left out. */
  readonly maxMessageBytes?: number
  /** Ends it between two chunks. */
  readonly signal: AbortSignal
}

/** Lines on their way into a topic. */
export interface Ingestion {
  /** Messages that are durable. */
  readonly messages: number
  /** Bytes of the lines that are durable. */
  readonly bytes: number
  /**
   * Takes the lines from `fromLine` on, in order; resolves when all are durable.
   * @throws MillpondError as `append`, `JSON_INVALID` or `STOPPED`: then its details say which line was not taken, as `line`, and those
   * before it are durable.
   */
  take(name: string, input: ByteReader, fromLine: number): Promise<void>
}

const CHUNK_BYTES = 4 * 1024 * 1024
/** Chunks that are given to the log and not durable yet: one is written while others are compressed. */
const MAX_UNDER_WAY = 3

/** A chunk that was given to the log. */
interface Given {
  readonly firstLine: number
  readonly outcome: Promise<void>
}

/** Lines into what `append` appends to. */
export function createIngestion(append: (batch: MessageBatch) => Promise<unknown>, options: IngestionOptions): Ingestion {
  const mode = options.format === 'json' ? 'envelope' : 'value'
  let messages = 0
  let bytes = 0
  const parse = (chunk: Uint8Array, firstLine: number): MessageBatch =>
    parseJsonLines(chunk, {
      mode,
      firstLine,
      nowMs: options.nowMs(),
      maxMessageBytes: options.maxMessageBytes ?? MAX_BATCH_BYTES,
    })
  const give = async (batch: MessageBatch, chunk: LineChunk): Promise<void> => {
    await append(batch)
    messages += batch.count
    bytes += chunk.bytes.byteLength
    chunk.release()
  }
  return {
    get messages() {
      return messages
    },
    get bytes() {
      return bytes
    },
    async take(name, input, fromLine) {
      const underWay: Given[] = []
      let nextLine = fromLine
      const settleFirst = async (): Promise<void> => {
        const { firstLine, outcome } = underWay.shift()!
        try {
          await outcome
        } catch (error) {
          await Promise.allSettled(underWay.map((given) => given.outcome))
          throw stoppedAt(error, name, firstLine, messages)
        }
      }
      const start = (batch: MessageBatch, chunk: LineChunk): void => {
        const outcome = give(batch, chunk)
        outcome.catch(() => undefined)
        underWay.push({ firstLine: chunk.firstLine, outcome })
      }
      let failure: { readonly line: number; readonly error: unknown } | undefined
      for await (const chunk of lineChunks(input, CHUNK_BYTES)) {
        const wanted = fromFirst(chunk, fromLine)
        if (wanted === undefined) {
          chunk.release()
          continue
        }
        if (options.signal.aborted) {
          failure = { line: wanted.firstLine, error: new MillpondError('STOPPED', 'stopped') }
          break
        }
        try {
          start(parse(wanted.bytes, wanted.firstLine), wanted)
        } catch (error) {
          const line = badLine(error) ?? wanted.firstLine
          const good = firstLines(wanted.bytes, line - wanted.firstLine)
          if (good.byteLength > 0) start(parse(good, wanted.firstLine), { ...wanted, bytes: good })
          failure = { line, error }
          break
        }
        nextLine = wanted.firstLine + wanted.lines
        while (underWay.length >= MAX_UNDER_WAY) await settleFirst()
      }
      while (underWay.length > 0) await settleFirst()
      if (failure !== undefined) throw stoppedAt(failure.error, name, failure.line, messages)
      if (options.signal.aborted) throw stoppedAt(new MillpondError('STOPPED', 'stopped'), name, nextLine, messages)
    },
  }
}

/** The part of a chunk from a line on. */
function fromFirst(chunk: LineChunk, fromLine: number): LineChunk | undefined {
  const skipped = fromLine - chunk.firstLine
  if (skipped <= 0) return chunk
  if (skipped >= chunk.lines) return undefined
  const bytes = chunk.bytes.subarray(firstLines(chunk.bytes, skipped).byteLength)
  return { ...chunk, bytes, firstLine: fromLine, lines: chunk.lines - skipped }
}

function badLine(error: unknown): number | undefined {
  const line = isMillpondError(error) ? error.details['line'] : undefined
  return typeof line === 'number' ? line : undefined
}

function stoppedAt(error: unknown, name: string, line: number, taken: number): MillpondError {
  const known = isMillpondError(error) ? error : new MillpondError('INTERNAL', String(error), { cause: error })
  const message = `${name}: ${known.message}; ${taken} messages before line ${line} are taken, go on with --from-line ${line}`
  return new MillpondError(known.code, message, { cause: error, details: { ...known.details, file: name, line, taken } })
}

/** A file of lines into a topic, whole. @throws MillpondError as `Ingestion.take`. */
export async function ingestFile(
  log: Log,
  topic: string,
  from: { readonly path: string; readonly format: IngestFormat; readonly maxMessageBytes?: number },
  signal: AbortSignal,
): Promise<{ readonly messages: number; readonly bytes: number }> {
  const { path, ...options } = from
  const ingestion = createIngestion((batch) => log.append(topic, batch), { ...options, nowMs: Date.now, signal })
  await using reader = await openFileReader(path)
  await ingestion.take(path, reader, 1)
  return { messages: ingestion.messages, bytes: ingestion.bytes }
}
