import { MillpondError } from '../errors.ts'
import type { JqObject, JqValue } from './value.ts'

/** How deeply outputs can be nested, so that whoever writes them as JSON does not run out of stack. */
const MAX_OUTPUT_DEPTH = 1000
const CHARS_A_VALUE = 8

/**
 * How much a value holds: the characters of its texts and keys, and eight for each other value. A part that stands in several places
 * counts in each, as it would when it is written.
 * @throws MillpondError `JQ_FAILED` as soon as it is more than `most`.
 */
export function sizeOf(value: JqValue, most: number, depth = 0): number {
  if (typeof value === 'string') return checked(value.length + 2, most)
  if (typeof value !== 'object' || value === null) return checked(CHARS_A_VALUE, most)
  if (depth > MAX_OUTPUT_DEPTH) {
    throw new MillpondError('JQ_FAILED', `an output of the jq program is nested more than ${MAX_OUTPUT_DEPTH} deep`)
  }
  let chars = CHARS_A_VALUE
  if (Array.isArray(value)) {
    for (const item of value as readonly JqValue[]) chars += sizeOf(item, most - chars, depth + 1)
  } else {
    for (const key of Object.keys(value)) chars += key.length + sizeOf((value as JqObject)[key]!, most - chars, depth + 1)
  }
  return checked(chars, most)
}

function checked(chars: number, most: number): number {
  if (chars <= most) return chars
  throw new MillpondError('JQ_FAILED', 'the outputs of the jq program are larger than they may be (maxOutputChars)')
}
