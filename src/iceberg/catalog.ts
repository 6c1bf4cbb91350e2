import type { NewTable, TableChange, TableMetadata } from './metadata.ts'

/** The name of a table: the levels of its namespace, and its own. */
export interface TableName {
  readonly namespace: readonly string[]
  readonly name: string
}

/** A table as its catalogue had it. */
export interface LoadedTable {
  readonly name: TableName
  readonly metadata: TableMetadata
  /** Where the metadata lay; for those that keep it in files. */
  readonly version: number | undefined
  readonly metadataFile: string
}

/** `conflict`: somebody else changed the table first; nothing of the change was made. */
export type ChangeResult = { readonly outcome: 'changed'; readonly table: LoadedTable } | { readonly outcome: 'conflict' }

/** What knows where the newest metadata of each table is. Of two changes of one state of a table exactly one is made. */
export interface Catalog extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  /** The table, or undefined where there is none. @throws MillpondError `TABLE_CORRUPT`, `FORMAT_UNSUPPORTED`. */
  load(name: TableName, signal?: AbortSignal): Promise<LoadedTable | undefined>
  /** Makes the table; where another process was first, gives that one's. */
  create(name: TableName, table: NewTable, signal?: AbortSignal): Promise<LoadedTable>
  /**
   * Changes the table if it is still what `base` says. An error leaves open whether the change was or will be made; loading the table
   * again tells.
   */
  change(base: LoadedTable, change: TableChange, signal?: AbortSignal): Promise<ChangeResult>
}

/** Text for people. */
export const tableText = ({ namespace, name }: TableName): string => [...namespace, name].join('.')
