import type { MessageBatch } from '../batch/batch.ts'
import { type JsonLinesOptions, type JsonReadOptions, readJson } from './json-lines-read.ts'
import { type JsonOrigin, writeJson } from './json-lines-write.ts'

/**
 * The messages of these lines, with the positions 0, 1, 2, …; blank lines are skipped. The last line may lack its end; `\r\n` ends a
 * line too. `envelope`: a line is an object (docs/formats.md, JSON lines). `value`: a line's bytes, whatever they are, are a value.
 * The batch shares `bytes` where it can, so they must not change.
 * @throws MillpondError `JSON_INVALID` with line, column and reason; `MESSAGE_TOO_LARGE`. Then nothing is taken.
 */
export function parseJsonLines(bytes: Uint8Array, options: JsonLinesOptions): MessageBatch {
  return readJson(bytes, { ...options, firstLine: options.firstLine ?? 1 })
}

/**
 * The messages of one JSON text: an envelope, a list of them, or `{"messages": list}`; as `parseJsonLines` gives them.
 * @throws MillpondError `JSON_INVALID` with line, column, number of the message and reason; `MESSAGE_TOO_LARGE`. Then nothing is taken.
 */
export function parseJsonMessages(bytes: Uint8Array, options: JsonReadOptions): MessageBatch {
  return readJson(bytes, { ...options, mode: 'body', firstLine: 1 })
}

/**
 * The batch as JSON lines that lose nothing: `parseJsonLines` gives the same messages, and every line is JSON by itself. Each line
 * names its topic, lane and position first.
 * @throws MillpondError `MESSAGE_TOO_LARGE` where a message or all lines do not fit into memory.
 */
export function writeJsonLines(batch: MessageBatch, origin: JsonOrigin): Uint8Array {
  return writeJson(batch, origin)
}
