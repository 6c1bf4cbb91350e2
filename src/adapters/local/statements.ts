import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** A row as SQLite gives it. */
export type SqlRow = Record<string, unknown>

/** A connection whose statements are compiled once. */
export interface Statements {
  /** Runs a statement and gives how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number
  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined
  all(sql: string, ...values: SQLInputValue[]): SqlRow[]
  /** Rows one by one; the read transaction stays open until the iteration ends, so end it without waiting for anything. */
  iterate(sql: string, ...values: SQLInputValue[]): Iterable<SqlRow>
}

/** Statements of the connection. */
export function createStatements(database: DatabaseSync): Statements {
  const prepared = new Map<string, StatementSync>()
  const statement = (sql: string) => {
    const known = prepared.get(sql)
    if (known) return known
    const made = database.prepare(sql)
    prepared.set(sql, made)
    return made
  }
  return {
    run: (sql, ...values) => Number(statement(sql).run(...values).changes),
    get: (sql, ...values) => statement(sql).get(...values),
    all: (sql, ...values) => statement(sql).all(...values),
    iterate: (sql, ...values) => statement(sql).iterate(...values),
  }
}

const encoder = new TextEncoder()
// Without `ignoreBOM` a byte order mark at the beginning would be lost, and with it the name that was given.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Text as a blob, for text may hold NUL. */
export const nameBlob = (name: string): Uint8Array => encoder.encode(name)
export const nameOf = (blob: unknown): string => decoder.decode(blob as Uint8Array)

/** A column that the schema says is an integer. */
export const integer = (row: SqlRow, column: string): number => row[column] as number
