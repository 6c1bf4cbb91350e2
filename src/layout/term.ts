import type { MessageBatch } from '../batch/batch.ts'
import type { BatchContext } from './layout.ts'

/** A part of a path that differs from message to message. Its texts have numbers, so that no text is made for a message. */
export interface Term {
  open(batch: MessageBatch, context: BatchContext): TermReader
  /** The text of a number that a reader gave. */
  text(code: number): string
  /** What the index shall know the text by, and the text before it was made safe. */
  values(code: number): Readonly<Record<string, string>>
  /** How many texts are remembered. */
  size(): number
  /** Forgets all texts; numbers given before mean nothing any more. */
  clear(): void
}

/** A term over the messages of one batch. */
export interface TermReader {
  /** The number of the row's text, 0 or more; -1 where the row has none. */
  code(row: number): number
  /** Why a row has none. */
  reason(row: number): string
}

/** The texts of a term by number. */
export interface TextTable {
  intern(text: string, values: () => Readonly<Record<string, string>>): number
  readonly texts: readonly string[]
  readonly values: readonly Readonly<Record<string, string>>[]
  clear(): void
}

/** An empty table of texts. */
export function createTextTable(): TextTable {
  const codes = new Map<string, number>()
  const texts: string[] = []
  const values: Readonly<Record<string, string>>[] = []
  return {
    texts,
    values,
    intern(text, valuesOf) {
      let code = codes.get(text)
      if (code === undefined) {
        code = texts.length
        codes.set(text, code)
        texts.push(text)
        values.push(valuesOf())
      }
      return code
    },
    clear() {
      codes.clear()
      texts.length = 0
      values.length = 0
    },
  }
}

/** The parts of a term that a table of texts gives. */
export const tableOf = (table: TextTable): Pick<Term, 'text' | 'values' | 'size'> => ({
  text: (code) => table.texts[code]!,
  values: (code) => table.values[code]!,
  size: () => table.texts.length,
})
