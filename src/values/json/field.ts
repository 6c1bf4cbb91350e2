import type { FieldValue } from '../values.ts'
import { textOf } from '../text.ts'
import { JsonScanner, type Needle, stringOf } from './scan.ts'

/** Reads one field of the JSON text from `start` to before `end`. */
export type ReadJsonField = (bytes: Uint8Array, start: number, end: number) => FieldValue

const OPEN_BRACE = 0x7b
const encoder = new TextEncoder()

/**
 * How to read the field of that dotted name out of JSON text, as `JSON.parse` would give it (of names that come twice the last one counts), but for
 * whole numbers that a number does not hold: they are bigints. Undefined where the text is no JSON, has no such field, or one that is no scalar.
 */
export function createJsonFieldReader(name: string): ReadJsonField {
  const path: readonly Needle[] = name.split('.').map((text) => ({ text, bytes: encoder.encode(text) }))
  const scanner = new JsonScanner()
  const lastNumber = { text: '', value: 0 as number | bigint }
  return (bytes, start, end) => {
    scanner.open(bytes, end)
    let at = scanner.skipSpace(start)
    let isWhole = false
    let valueEnd = end
    for (const needle of path) {
      if (at >= valueEnd || bytes[at] !== OPEN_BRACE) return undefined
      const after = scanner.skipObject(at, 1, needle)
      // What lies further in was passed over already, and so is known to be right.
      if (!isWhole && (after === -1 || scanner.skipSpace(after) !== end)) return undefined
      isWhole = true
      if (scanner.foundStart === -1) return undefined
      at = scanner.foundStart
      valueEnd = scanner.foundEnd
    }
    return scalarOf(bytes, at, valueEnd, lastNumber)
  }
}

function scalarOf(bytes: Uint8Array, start: number, end: number, last: { text: string; value: number | bigint }): FieldValue {
  switch (bytes[start]!) {
    case 0x22:
      return stringOf(bytes, start, end, true)
    case 0x74:
      return true
    case 0x66:
      return false
    case 0x6e:
      return null
    case OPEN_BRACE:
    case 0x5b:
      return undefined
    default:
      return numberOf(bytes, start, end, last)
  }
}

function numberOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  last: { text: string; value: number | bigint },
): number | bigint {
  const text = textOf(bytes, start, end)
  if (text === last.text) return last.value
  const value = Number(text)
  last.text = text
  last.value = Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/u.test(text) ? BigInt(text) : value
  return last.value
}
