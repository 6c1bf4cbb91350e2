import type { MessageBatch } from '../batch/batch.ts'
import { keyAt, valueAt } from '../batch/view.ts'
import { writeJsonLines } from '../encode/json-lines.ts'
import { formatTime } from './format.ts'

/** How messages are printed: JSON lines that lose nothing, values alone, or columns for people. */
export const FORMATS = ['json', 'raw', 'table'] as const
export type MessageFormat = (typeof FORMATS)[number]

const LINE_FEED = Uint8Array.of(10)
const MAX_CELL_CHARACTERS = 100

/** The messages as they are printed. */
export function printed(
  batch: MessageBatch,
  origin: { readonly topic: string; readonly lane: string },
  format: MessageFormat,
): Uint8Array {
  if (format === 'json') return writeJsonLines(batch, origin)
  if (format === 'raw') return rawValues(batch)
  const lines = Array.from({ length: batch.count }, (_, row) => tableLine(batch, row, origin))
  return Buffer.from(lines.join(''))
}

/** Values, each followed by a line feed; a null value is an empty line. */
function rawValues(batch: MessageBatch): Uint8Array {
  const parts: Uint8Array[] = []
  for (let row = 0; row < batch.count; row++) {
    const value = valueAt(batch, row)
    if (value !== null) parts.push(value)
    parts.push(LINE_FEED)
  }
  return Buffer.concat(parts)
}

function tableLine(batch: MessageBatch, row: number, { topic, lane }: { readonly topic: string; readonly lane: string }): string {
  const time = formatTime(batch.timestamps[row]!)
  const place = `${topic}/${lane}@${batch.positions[row]!}`
  return `${time}  ${place.padEnd(24)}  ${cell(keyAt(batch, row)).padEnd(16)}  ${cell(valueAt(batch, row))}\n`
}

// Nothing of a message may steer the terminal.
function cell(bytes: Uint8Array | null): string {
  if (bytes === null) return '-'
  const text = Buffer.from(bytes.subarray(0, MAX_CELL_CHARACTERS * 4)).toString('utf8')
  const safe = text.replaceAll(/\p{C}/gu, '\u00b7')
  return safe.length > MAX_CELL_CHARACTERS ? `${safe.slice(0, MAX_CELL_CHARACTERS)}…` : safe
}
