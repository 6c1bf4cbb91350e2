import type { MessageBatch } from '../../batch/batch.ts'
import { writeJsonLines } from '../../encode/json-lines.ts'
import type { Found } from './run.ts'

/** By which names a field is written that can be something else than text. */
const WRITTEN: Readonly<Record<string, readonly string[]>> = { key: ['key', 'keyBase64'], id: ['id', 'idBase64'] }

/** The lines of messages (docs/formats.md): all that there is of them, or some fields alone, in their usual order. */
export function linesOf({ lane, batch }: Found, fields: readonly string[] | undefined): Uint8Array {
  if (fields === undefined) return writeJsonLines(batch, lane)
  const names = new Set(fields.flatMap((field) => WRITTEN[field] ?? [field]))
  const bare = splitLines(writeJsonLines(withoutValues(batch), lane))
  if (!names.delete('value')) return Buffer.from(bare.map((line) => `${JSON.stringify(some(line, names))}\n`).join(''))
  const whole = splitLines(writeJsonLines(batch, lane))
  return Buffer.from(
    bare.map((line, row) => withValue(some(line, names), whole[row]!.slice(line.length - NO_VALUE.length))).join(''),
  )
}

/** How a line ends whose value is null. */
const NO_VALUE = '"value":null}'

const splitLines = (lines: Uint8Array): string[] =>
  Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString().trimEnd().split('\n')

const withoutValues = (batch: MessageBatch): MessageBatch => ({ ...batch, valueStart: new Int32Array(batch.count).fill(-1) })

function some(line: string, names: ReadonlySet<string>): Readonly<Record<string, unknown>> {
  const whole = JSON.parse(line) as Readonly<Record<string, unknown>>
  return Object.fromEntries(Object.entries(whole).filter(([name]) => names.has(name)))
}

/** The value comes last, as it is written: its numbers keep their digits. */
function withValue(others: Readonly<Record<string, unknown>>, rest: string): string {
  const text = JSON.stringify(others)
  return `${text.slice(0, -1)}${text === '{}' ? '' : ','}${rest}\n`
}
