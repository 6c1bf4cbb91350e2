import { formatTable } from './format.ts'

/** How the answer of a query is printed. */
export const QUERY_FORMATS = ['table', 'csv', 'json', 'parquet'] as const
export type QueryFormat = (typeof QUERY_FORMATS)[number]

type Row = readonly (string | null)[]

/** Makes text of an answer as it comes: rows come several times, the end once. */
export interface QueryPrinter {
  columns(names: readonly string[]): string
  rows(rows: readonly Row[]): string
  end(): string
}

const MAX_CELL_CHARACTERS = 80

/** A printer for the format. A table waits for its last row, so that its columns fit. */
export function createQueryPrinter(format: Exclude<QueryFormat, 'parquet'>): QueryPrinter {
  if (format === 'json') return { columns: () => '', rows: (rows) => lines(rows.map(([json]) => json ?? 'null')), end: () => '' }
  if (format === 'csv') {
    const csv = (rows: readonly Row[]): string => rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('')
    return { columns: (names) => csv([names]), rows: csv, end: () => '' }
  }
  const shown: string[][] = []
  return {
    columns(names) {
      shown.push(names.map(tableCell))
      return ''
    },
    rows(rows) {
      for (const row of rows) shown.push(row.map(tableCell))
      return ''
    },
    end: () => `${formatTable(shown)}\n`,
  }
}

const lines = (texts: readonly string[]): string => texts.map((text) => `${text}\n`).join('')

/** A cell after RFC 4180. Null is nothing; empty text is `""`. */
function csvCell(cell: string | null): string {
  if (cell === null) return ''
  return cell === '' || /[",\r\n]/u.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

// Nothing of a message may steer the terminal.
function tableCell(cell: string | null): string {
  if (cell === null) return '-'
  const safe = cell.slice(0, 4 * MAX_CELL_CHARACTERS).replaceAll(/\p{C}/gu, '\u00b7')
  return safe.length > MAX_CELL_CHARACTERS ? `${safe.slice(0, MAX_CELL_CHARACTERS)}…` : safe
}
