import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { FieldValue } from '../values/values.ts'
import { escapeBytes, escapeText, type Escaping } from './escape.ts'
import { createTextTable, tableOf, type Term, type TermReader } from './term.ts'

interface ValueTermOptions {
  readonly escaping: Escaping
  /** What the index shall know the text by. */
  readonly name: string
  /** What is written before the text. */
  readonly before?: string
  /** What stands for a message that has none; without it such a message has no path. */
  readonly missing?: string | undefined
}

/** The text of a field of the value. */
export function fieldTerm({
  field,
  ofNull,
  allowEmpty = true,
  wholeNumbers = false,
  ...options
}: ValueTermOptions & {
  readonly field: string
  /** What stands for null; without it null counts as missing. */
  readonly ofNull?: string
  /** Whether empty text is text; else it counts as missing. */
  readonly allowEmpty?: boolean
  /** Whether numbers have to be whole. */
  readonly wholeNumbers?: boolean
}): Term {
  const table = createTextTable()
  const codes = new Map<FieldValue, number>()
  const { escaping, name, before = '', missing } = options
  const textOf = (value: FieldValue): string | undefined => {
    if (value === undefined || (value === '' && !allowEmpty)) return undefined
    if (value === null) return ofNull
    return typeof value === 'number' && !Number.isInteger(value) && wholeNumbers ? undefined : String(value)
  }
  const codeOf = (value: FieldValue): number => {
    const raw = textOf(value)
    const text = raw === undefined ? missing : escapeText(raw, escaping)
    return text === undefined ? -1 : table.intern(before + text, () => ({ [name]: raw ?? text }))
  }
  return {
    ...tableOf(table),
    size: () => codes.size,
    clear() {
      codes.clear()
      table.clear()
    },
    open(_batch, context) {
      if (context.field === undefined)
        throw new MillpondError('CONFIG_INVALID', 'the layout needs fields of the values, which nothing reads')
      const column = context.field(field)
      return {
        code(row) {
          const value = column(row)
          let code = codes.get(value)
          if (code === undefined) {
            code = codeOf(value)
            codes.set(value, code)
          }
          return code
        },
        reason(row) {
          const value = column(row)
          if (value === undefined) return `its value has no field ${field} that holds text, a number or a truth`
          return value === null || value === ''
            ? `the field ${field} is ${value === null ? 'null' : 'empty'}`
            : `the field ${field} holds a number that is not whole`
        },
      }
    },
  }
}

/** The text of the last header of this name. */
export function headerTerm({ header, ...options }: ValueTermOptions & { readonly header: string }): Term {
  const wanted = new TextEncoder().encode(header)
  return bytesTerm(options, `has no header ${header}`, (batch) => {
    const isWanted = (h: number): boolean => {
      const start = batch.headerNameStart[h]!
      if (batch.headerNameEnd[h]! - start !== wanted.byteLength) return false
      for (let i = 0; i < wanted.byteLength; i++) if (batch.bytes[start + i] !== wanted[i]) return false
      return true
    }
    const find = (row: number): number => {
      for (let h = batch.headerFrom[row + 1]! - 1; h >= batch.headerFrom[row]!; h--) if (isWanted(h)) return h
      return -1
    }
    let found = -1
    return {
      start: (row) => {
        found = find(row)
        return found < 0 ? -1 : batch.headerValueStart[found]!
      },
      end: () => batch.headerValueEnd[found]!,
    }
  })
}

/** The text of the key. */
export const keyTerm = (options: ValueTermOptions): Term =>
  bytesTerm(options, 'has no key', ({ keyStart, keyEnd }) => ({ start: (row) => keyStart[row]!, end: (row) => keyEnd[row]! }))

/** Where the bytes of a row lie; a start below 0 is null. `end` is asked right after `start`. */
interface Spans {
  start(row: number): number
  end(row: number): number
}

function bytesTerm(options: ValueTermOptions, why: string, openSpans: (batch: MessageBatch) => Spans): Term {
  const { escaping, name, before = '', missing } = options
  const table = createTextTable()
  let last: Uint8Array | undefined
  let lastCode = -1
  const codeOf = (bytes: Uint8Array): number => {
    if (last !== undefined && Buffer.compare(last, bytes) === 0) return lastCode
    const { escaped, text } = escapeBytes(bytes, escaping)
    lastCode = table.intern(before + escaped, () => ({ [name]: text }))
    // A view would keep the bytes of its batch alive.
    last = bytes.slice()
    return lastCode
  }
  return {
    ...tableOf(table),
    clear() {
      table.clear()
      last = undefined
    },
    open(batch): TermReader {
      const spans = openSpans(batch)
      return {
        code(row) {
          const start = spans.start(row)
          if (start >= 0) return codeOf(batch.bytes.subarray(start, spans.end(row)))
          return missing === undefined ? -1 : table.intern(before + missing, () => ({ [name]: missing }))
        },
        reason: () => `it ${why}`,
      }
    },
  }
}

/** The name of the schema of the value. */
export function schemaTerm({ escaping, name, before = '', missing }: ValueTermOptions): Term {
  const table = createTextTable()
  return {
    ...tableOf(table),
    clear: () => table.clear(),
    open(_batch, { kind }) {
      return {
        code(row) {
          const raw = kind?.(row)?.name
          const text = raw === undefined ? missing : escapeText(raw, escaping)
          return text === undefined ? -1 : table.intern(before + text, () => ({ [name]: raw ?? text }))
        },
        reason: () => 'its value has no schema with a name',
      }
    },
  }
}
