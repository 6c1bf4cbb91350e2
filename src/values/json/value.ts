import { isUtf8 } from 'node:buffer'
import type { MessageBatch } from '../../batch/batch.ts'
import { fault } from '../fault.ts'

/** Values that were read already, by where they begin: whether they can be written is asked before they are. */
const known = new WeakMap<Uint8Array, Map<number, unknown>>()

/** Digits that a number may not keep. */
const LONG_NUMBER = /\d{16}/u

/** The value of a row, which begins at `start`; whole numbers that a number cannot hold are bigints. @throws MillpondError `INPUT_INVALID`. */
export function parseJsonValue(batch: MessageBatch, row: number, start: number): unknown {
  let values = known.get(batch.bytes)
  if (values === undefined) {
    values = new Map()
    known.set(batch.bytes, values)
  }
  const before = values.get(start)
  if (before !== undefined) return before
  const value = parse(batch.bytes.subarray(start, batch.valueEnd[row]))
  values.set(start, value)
  return value
}

/** Says that the values of a batch's bytes are not asked for again. */
export const forgetJsonValues = ({ bytes }: MessageBatch): void => void known.delete(bytes)

function parse(bytes: Uint8Array): unknown {
  // What is no UTF-8 would silently become other text.
  if (!isUtf8(bytes)) throw fault('it is no JSON, for it is not UTF-8')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  try {
    return LONG_NUMBER.test(text) ? JSON.parse(text, exactly) : JSON.parse(text)
  } catch {
    throw fault('it is no JSON')
  }
}

const WHOLE = /^-?\d+$/u

/** Keeps whole numbers exact. */
function exactly(this: unknown, _: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || context?.source === undefined) return value
  return WHOLE.test(context.source) ? BigInt(context.source) : value
}
