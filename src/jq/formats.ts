import { spendText } from './budget.ts'
import { described, jsonText, numberText, textOf } from './json-text.ts'
import { raise } from './raised.ts'
import type { JqValue } from './value.ts'

/** What a format such as `@csv` makes of a value. */
export type Format = (value: JqValue) => string

export function formatOf(name: string): Format | undefined {
  const format = Object.hasOwn(formats, name) ? formats[name] : undefined
  return (
    format &&
    ((value) => {
      const text = format(value)
      spendText(text.length)
      return text
    })
  )
}

const HTML: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', "'": '&apos;', '"': '&quot;' }
const TSV: Readonly<Record<string, string>> = {
  '\t': String.raw`\t`,
  '\r': String.raw`\r`,
  '\n': String.raw`\n`,
  '\\': String.raw`\\`,
}

const formats: Readonly<Record<string, Format>> = {
  text: textOf,
  json: jsonText,
  html: (value) => textOf(value).replaceAll(/[<>&'"]/gu, (char) => HTML[char]!),
  uri: (value) => encodeURIComponent(textOf(value).toWellFormed()),
  csv: (value) => row(value, 'csv', ',', (text) => `"${text.replaceAll('"', '""')}"`),
  tsv: (value) => row(value, 'tsv', '\t', (text) => text.replaceAll(/[\t\r\n\\]/gu, (char) => TSV[char]!)),
  sh: (value) => (Array.isArray(value) ? (value as readonly JqValue[]) : [value]).map(shellWord).join(' '),
  base64: (value) => Buffer.from(textOf(value)).toString('base64'),
  base64d: decodeBase64,
}

function row(value: JqValue, name: string, separator: string, escape: (text: string) => string): string {
  if (!Array.isArray(value)) raise(`${described(value)} cannot be ${name}-formatted, only array`)
  return (value as readonly JqValue[])
    .map((cell) => {
      if (cell === null) return ''
      if (typeof cell === 'string') return escape(cell)
      if (typeof cell === 'number') return Number.isNaN(cell) ? '' : numberText(cell)
      return typeof cell === 'boolean' ? String(cell) : raise(`${described(cell)} is not valid in a csv row`)
    })
    .join(separator)
}

function shellWord(value: JqValue): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", String.raw`'\''`)}'`
  return typeof value === 'object' && value !== null ? raise(`${described(value)} can not be escaped for shell`) : jsonText(value)
}

function decodeBase64(value: JqValue): string {
  const text = textOf(value)
  const end = text.indexOf('=')
  const digits = end < 0 ? text : text.slice(0, end)
  const shown = described(text)
  if (!/^[\w+/]*$/u.test(digits) || digits.includes('_')) raise(`${shown} is not valid base64 data`)
  if (digits.length % 4 === 1) raise(`${shown} trailing base64 byte found`)
  return Buffer.from(digits, 'base64').toString()
}
