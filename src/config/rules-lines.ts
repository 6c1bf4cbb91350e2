import { csvFields } from '../encode/format-options.ts'
import type { Finding } from './mistake.ts'
import type { FileConfig } from './schema.ts'

type Archive = FileConfig['archive']
type LineOption =
  | 'fields'
  | 'envelope'
  | 'keyEncoding'
  | 'valueEncoding'
  | 'headersEncoding'
  | 'timestampEncoding'
  | 'quoting'
  | 'snappyFraming'
  | 'headerLine'
  | 'extraColumns'
  | 'delimiter'
  | 'extension'

const JSON_VALUES = ['value-json', 'value-json-array'] as const satisfies readonly Archive['format'][]

/** The formats that look at each option. */
const formatsOf: Readonly<Record<LineOption, readonly Archive['format'][]>> = {
  fields: [...JSON_VALUES, 'csv'],
  envelope: JSON_VALUES,
  keyEncoding: [...JSON_VALUES, 'csv'],
  valueEncoding: [...JSON_VALUES, 'csv'],
  headersEncoding: [...JSON_VALUES, 'csv'],
  timestampEncoding: [...JSON_VALUES, 'csv'],
  quoting: ['csv'],
  snappyFraming: ['json', ...JSON_VALUES, 'csv', 'raw'],
  headerLine: ['csv'],
  extraColumns: ['value-parquet'],
  delimiter: ['csv', 'raw'],
  extension: ['raw'],
}

const inWords = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`

/** What is wrong with how parts of messages are to be written. */
export function lineRules({ archive, layout }: FileConfig): Finding[] {
  // What is written beside objects is written as its own format has it.
  const options = (Object.keys(formatsOf) as LineOption[]).filter((one) => one !== 'keyEncoding' || layout.keysFormat === 'none')
  const without = options
    .filter((option) => archive[option] !== undefined && !formatsOf[option].includes(archive.format))
    .map((option) => ({
      path: ['archive', option],
      message: `is for the formats ${inWords(formatsOf[option])}, not ${archive.format}`,
    }))
  if (without.length > 0) return without
  if (archive.format === 'csv') return csvRules(archive)
  return JSON_VALUES.some((format) => format === archive.format) ? valueJsonRules(archive) : []
}

function csvRules({ delimiter, valueEncoding, headersEncoding, quoting, fields }: Archive): Finding[] {
  const findings: Finding[] = []
  if (delimiter !== undefined && (delimiter.length !== 1 || delimiter > '~' || delimiter === '\0'))
    findings.push({ path: ['archive', 'delimiter'], message: 'must be one ASCII character for the format csv' })
  else if (delimiter !== undefined && /["\r\n]/u.test(delimiter))
    findings.push({ path: ['archive', 'delimiter'], message: 'must be neither a quote nor a line break' })
  if (valueEncoding === 'json')
    findings.push({ path: ['archive', 'valueEncoding'], message: 'must be text or base64 for the format csv' })
  if (headersEncoding === 'base64')
    findings.push({ path: ['archive', 'headersEncoding'], message: 'must be json or pairs for the format csv' })
  const quoted = (fields ?? csvFields).find(
    (field) => field.startsWith('value.') || (field === 'headers' && headersEncoding !== 'pairs'),
  )
  if (quoting === 'none' && quoted !== undefined) {
    const instead = quoted === 'headers' ? 'headersEncoding: pairs has no quotes' : 'without it value is whole'
    findings.push({ path: ['archive', 'quoting'], message: `must be rfc4180 where ${quoted} is a column; ${instead}` })
  }
  return findings
}

function valueJsonRules({ fields = [], envelope, headersEncoding }: Archive): Finding[] {
  const findings: Finding[] = []
  if (headersEncoding === 'pairs')
    findings.push({ path: ['archive', 'headersEncoding'], message: 'must be json or base64 for the format value-json' })
  const ofValue = fields.find((field) => field.startsWith('value.'))
  if (ofValue !== undefined)
    findings.push({ path: ['archive', 'fields'], message: `${ofValue} is for the format csv; value-json writes values whole` })
  if (new Set(fields).size < fields.length) findings.push({ path: ['archive', 'fields'], message: 'must name each field once' })
  if (envelope === false && fields.length > 1)
    findings.push({
      path: ['archive', 'envelope'],
      message: `must be true where there are several fields (${fields.join(', ')})`,
    })
  return findings
}
