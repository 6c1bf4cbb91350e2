import { countRecords } from './count-lines.ts'
import { csvFields, type FormatOptions, type WrittenField } from './format-options.ts'
import type { LineCheck } from './line-checks.ts'
import { type LineShape, lineFormat } from './line-format.ts'
import type { BytesPart, LineStep } from './line-program.ts'
import { notReadable } from './segment-format.ts'

const VALUE_PREFIX = 'value.'
const text = new TextEncoder()

/** Tables of chosen parts of messages, RFC 4180; see docs/formats.md. */
export const csvFormat = lineFormat({
  name: 'csv',
  keepsAll: false,
  extension: () => 'csv',
  shape,
  count: countRecords,
  ...notReadable('csv'),
})

function shape(options: FormatOptions): LineShape {
  const { fields = csvFields, headerLine = true, delimiter = ',' } = options
  const separator = delimiter.charCodeAt(0)
  const between: LineStep = { write: 'literal', bytes: text.encode(delimiter) }
  const steps = fields.flatMap((field, at): LineStep[] => [...(at === 0 ? [] : [between]), stepOf(field, options, separator)])
  const names = fields.map((field) => quotedName(columnName(field), delimiter)).join(delimiter)
  return {
    steps: [...steps, { write: 'literal', bytes: Uint8Array.of(0x0a) }],
    checks: checksOf(fields, options),
    ...(headerLine && { firstLine: text.encode(`${names}\n`) }),
  }
}

function stepOf(field: WrittenField, options: FormatOptions, separator: number): LineStep {
  const { keyEncoding, valueEncoding, headersEncoding, timestampEncoding } = options
  const isBare = options.quoting === 'none'
  const part = (name: BytesPart, isBase64: boolean): LineStep => {
    if (isBase64) return { write: 'csvBase64', part: name, isBare }
    return isBare ? { write: 'bytes', part: name } : { write: 'csvText', part: name, separator }
  }
  switch (field) {
    case 'key':
      return part('key', keyEncoding === 'base64')
    case 'value':
      return part('value', valueEncoding === 'base64')
    case 'id':
      return part('id', false)
    case 'position':
    case 'offset':
      return { write: 'position' }
    case 'timestamp':
      return { write: timestampEncoding === 'ms' ? 'timestamp' : 'time' }
    case 'headers':
      return { write: headersEncoding === 'pairs' ? 'csvPairs' : 'csvHeaders' }
    default:
      return { write: 'csvField', path: columnName(field).split('.'), separator }
  }
}

/** What is written as text must be text, unless it is not quoted either; what fields are taken from must be JSON. */
function checksOf(fields: readonly WrittenField[], { keyEncoding, valueEncoding, quoting }: FormatOptions): LineCheck[] {
  const has = (field: WrittenField) => fields.includes(field)
  const checks: LineCheck[] = []
  const isText = quoting !== 'none'
  if (isText && has('key') && keyEncoding !== 'base64') checks.push({ part: 'key', is: 'utf8' })
  if (fields.some((field) => field.startsWith(VALUE_PREFIX))) checks.push({ part: 'value', is: 'json' })
  else if (isText && has('value') && valueEncoding !== 'base64') checks.push({ part: 'value', is: 'utf8' })
  if (isText && has('id')) checks.push({ part: 'id', is: 'utf8' })
  return checks
}

const columnName = (field: WrittenField): string => (field.startsWith(VALUE_PREFIX) ? field.slice(VALUE_PREFIX.length) : field)

const quotedName = (name: string, delimiter: string): string =>
  /["\r\n]/u.test(name) || name.includes(delimiter) ? `"${name.replaceAll('"', '""')}"` : name
