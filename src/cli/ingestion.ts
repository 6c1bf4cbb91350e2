import type { MessageBatch } from '../batch/batch.ts'
import { MAX_BATCH_BYTES } from '../batch/builder.ts'
import { parseJsonLines } from '../encode/json-lines.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import { firstLines, type LineChunk, lineChunks } from './line-chunks.ts'

/** What a line is: an object that describes a message, or a value. */
export type IngestFormat = 'json' | 'lines'

export interface IngestionOptions {
  readonly format: IngestFormat
  readonly nowMs: () => number
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
  take(name: string, input: AsyncIterable<Uint8Array>, fromLine: number): Promise<void>
}

const CHUNK_BYTES = 4 * 1024 * 1024
/** Chunks that are given to the log and not durable yet: one is written while others are compressed. */
const MAX_UNDER_WAY = 4

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
    parseJsonLines(chunk, { mode, firstLine, nowMs: options.nowMs(), maxMessageBytes: MAX_BATCH_BYTES })
  const give = async (batch: MessageBatch, chunkBytes: number): Promise<void> => {
    await append(batch)
    messages += batch.count
    bytes += chunkBytes
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
      const start = (batch: MessageBatch, { firstLine, bytes: chunk }: Pick<LineChunk, 'firstLine' | 'bytes'>): void => {
        const outcome = give(batch, chunk.byteLength)
        outcome.catch(() => undefined)
        underWay.push({ firstLine, outcome })
      }
      let failure: { readonly line: number; readonly error: unknown } | undefined
      for await (const chunk of lineChunks(input, CHUNK_BYTES)) {
        const wanted = fromFirst(chunk, fromLine)
        if (wanted === undefined) continue
        if (options.signal.aborted) {
          failure = { line: wanted.firstLine, error: new MillpondError('STOPPED', 'stopped') }
          break
        }
        try {
          start(parse(wanted.bytes, wanted.firstLine), wanted)
        } catch (error) {
          const line = badLine(error) ?? wanted.firstLine
          const good = firstLines(wanted.bytes, line - wanted.firstLine)
          if (good.byteLength > 0) start(parse(good, wanted.firstLine), { firstLine: wanted.firstLine, bytes: good })
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
  return { bytes, firstLine: fromLine, lines: chunk.lines - skipped }
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
