import { MillpondError } from '../errors.ts'
import { countLines } from './count-lines.ts'
import type { FormatOptions, WrittenField } from './format-options.ts'
import type { LineCheck } from './line-checks.ts'
import { type LineShape, lineFormat } from './line-format.ts'
import type { LineStep } from './line-program.ts'
import { notReadable } from './segment-format.ts'

const text = new TextEncoder()
const literal = (words: string): LineStep => ({ write: 'literal', bytes: text.encode(words) })
const LINE_END = text.encode('\n')

/** Values as JSON, one on each line, or objects of chosen parts of messages; see docs/formats.md. */
export const valueJsonFormat = lineFormat({
  name: 'value-json',
  keepsAll: false,
  extension: () => 'json',
  shape: (options) => valueJsonShape(options, LINE_END),
  count: countLines,
  ...notReadable('value-json'),
})

/** What is written of each message, and `end` behind it. */
export function valueJsonShape(options: FormatOptions, end: Uint8Array): LineShape {
  const behind: LineStep = { write: 'literal', bytes: end }
  const fields = options.fields ?? ['value']
  const isEnvelope = options.fields !== undefined && options.envelope !== false
  const hasJsonValue = fields.includes('value') && (options.valueEncoding ?? 'json') === 'json'
  const checks: readonly LineCheck[] = hasJsonValue ? [{ part: 'value', is: 'json' }] : []
  if (!isEnvelope) return { steps: [...stepsOf(fields[0]!, options), behind], checks }
  const steps = fields.flatMap((field, at) => [
    literal(`${at === 0 ? '{' : ','}${JSON.stringify(field)}:`),
    ...stepsOf(field, options),
  ])
  return { steps: [...steps, literal('}'), behind], checks }
}

function stepsOf(field: WrittenField, options: FormatOptions): readonly LineStep[] {
  const { keyEncoding = 'text', valueEncoding = 'json', timestampEncoding = 'rfc3339' } = options
  switch (field) {
    case 'key':
      return [{ write: keyEncoding, part: 'key' }]
    case 'value':
      return [{ write: valueEncoding, part: 'value' }]
    case 'id':
      return [{ write: 'text', part: 'id' }]
    case 'position':
    case 'offset':
      return [{ write: 'position' }]
    case 'timestamp':
      return timestampEncoding === 'ms' ? [{ write: 'timestamp' }] : [literal('"'), { write: 'time' }, literal('"')]
    case 'headers':
      return [{ write: 'headers', isBase64: options.headersEncoding === 'base64' }]
    default:
      throw new MillpondError('FORMAT_UNSUPPORTED', `the format value-json has no field ${field}`)
  }
}
