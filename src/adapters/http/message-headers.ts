import type { MessageBatch } from '../../batch/batch.ts'
import { keyAt } from '../../batch/view.ts'
import type { SinkTarget } from '../../sink/sink.ts'

const PERCENT = 0x25
const EQUALS = 0x3d

const isVisible = (byte: number): boolean => byte > 0x20 && byte < 0x7f

/** The bytes as visible ASCII: what is not, and `%`, and `=` in a name, is written as `%` and two upper-case hex digits. */
function percentText(bytes: Uint8Array, escapeEquals = false): string {
  let text = ''
  for (const byte of bytes) {
    const isPlain = isVisible(byte) && byte !== PERCENT && !(escapeEquals && byte === EQUALS)
    text += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

const encoder = new TextEncoder()

/** Headers that all messages of one lane share. */
export function laneHeaders({ topic, origin, job }: SinkTarget): Record<string, string> {
  const text = (value: string) => percentText(encoder.encode(value))
  return {
    'millpond-topic': text(topic),
    'millpond-origin-topic': text(origin.topic),
    'millpond-origin-lane': text(origin.lane),
    ...(job === undefined ? {} : { 'millpond-replay-job': text(job) }),
  }
}

function keyHeaders(key: Uint8Array | null): Record<string, string> {
  if (key === null) return {}
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  if (key.every(isVisible)) return { 'millpond-key': bytes.toString('latin1') }
  return { 'millpond-key': bytes.toString('base64url'), 'millpond-key-encoding': 'base64url' }
}

/**
 * Everything of message `row` but its value, as request headers that lose nothing:
 * - `millpond-origin-position` and `millpond-timestamp` (ms) in decimal;
 * - `millpond-key`: the key where it is visible ASCII, base64url otherwise, which `millpond-key-encoding: base64url` then says; absent for null;
 * - `millpond-id`, percent-encoded UTF-8; absent for null;
 * - `millpond-value: null` where the value is null, so that it differs from an empty one;
 * - `millpond-header-0`, `millpond-header-1`, … in the message's order: `name=value`, both percent-encoded bytes (visible ASCII but `%`, and `=` in
 *   the name, stays as it is); without `=` where the value is null.
 */
export function messageHeaders(batch: MessageBatch, row: number): Record<string, string> {
  const headers: Record<string, string> = {
    'millpond-origin-position': String(batch.positions[row]),
    'millpond-timestamp': String(batch.timestamps[row]),
    ...keyHeaders(keyAt(batch, row)),
  }
  if (batch.valueStart[row]! < 0) headers['millpond-value'] = 'null'
  if (batch.idStart[row]! >= 0) headers['millpond-id'] = percentText(batch.bytes.subarray(batch.idStart[row], batch.idEnd[row]))
  const first = batch.headerFrom[row]!
  for (let h = first; h < batch.headerFrom[row + 1]!; h++) {
    const name = percentText(batch.bytes.subarray(batch.headerNameStart[h], batch.headerNameEnd[h]), true)
    const start = batch.headerValueStart[h]!
    headers[`millpond-header-${h - first}`] =
      start < 0 ? name : `${name}=${percentText(batch.bytes.subarray(start, batch.headerValueEnd[h]))}`
  }
  return headers
}
