import { cellExpression, isGiven, quotedName, sqlType, type ColumnType, type ValueColumn } from './value-types.ts'

/** What is known of a topic whose objects hold values and not all of its messages. */
export interface ValueTopic {
  /** The columns of its values, of all objects that were looked at. */
  readonly columns: readonly ValueColumn[]
  /** Whether columns are fields of values, where values are lines of JSON. */
  readonly isRecord: boolean
  /** Whether values can be asked for as lines of JSON. */
  readonly hasLines: boolean
  /** Whether nothing but the bytes themselves says how many values there are. */
  readonly isRaw: boolean
  /** What the layout put in paths: names, and all texts that there are. */
  readonly paths: readonly { readonly name: string; readonly texts: readonly string[] }[]
}

/** What commits know of values, as columns of a scan. */
export const commitColumns = ['topic', 'lane', 'position', 'object', 'min_timestamp', 'max_timestamp'] as const
export type CommitColumn = (typeof commitColumns)[number]

/** The scan's names are its own, so that no name of a field can be taken for a condition. */
export const valueColumn = (at: number): string => `c${at}`
export const pathColumn = (at: number): string => `path${at}`
/** Values as lines of JSON. */
export const lineColumn = 'line'

/** A column of a scan of a topic of values, and its type in SQL. */
export interface ScanColumnType {
  readonly name: string
  readonly sql: string
}

const commitTypes: Readonly<Record<CommitColumn, string>> = {
  topic: 'VARCHAR',
  lane: 'VARCHAR',
  position: 'BIGINT',
  object: 'VARCHAR',
  min_timestamp: 'TIMESTAMP',
  max_timestamp: 'TIMESTAMP',
}

/** All that a scan of the topic can give, in this order. */
export function valueScanColumns({ columns, paths, hasLines }: ValueTopic): readonly ScanColumnType[] {
  return [
    ...commitColumns.map((name) => ({ name, sql: commitTypes[name] })),
    ...paths.map((_, at) => ({ name: pathColumn(at), sql: 'VARCHAR' })),
    ...columns.map(({ type }, at) => ({ name: valueColumn(at), sql: isGiven(type) ? sqlType(type) : 'VARCHAR' })),
    ...(hasLines ? [{ name: lineColumn, sql: 'VARCHAR' }] : []),
  ]
}

/** A column of the topic's view: what it is called there, and which one of the scan it is. */
interface ViewColumn {
  readonly name: string
  readonly column: string
}

/**
 * The columns of the topic's view: those of its values under their names, what the layout put in paths, and behind underscores what commits
 * know. Names that are taken already, whatever their capital letters, get an underscore more, those of values a number.
 */
function viewColumns({ columns, paths, hasLines }: ValueTopic): readonly ViewColumn[] {
  const taken = new Set<string>()
  const free = (name: string, next: (name: string, times: number) => string): string => {
    let found = name
    for (let times = 1; taken.has(found.toLowerCase()); times++) found = next(name, times)
    taken.add(found.toLowerCase())
    return found
  }
  const numbered = (name: string, times: number) => `${name}_${times}`
  const lowered = (name: string, times: number) => `${'_'.repeat(times)}${name}`
  return [
    ...columns.map(({ name }, at) => ({ name: free(name, numbered), column: valueColumn(at) })),
    ...paths.map(({ name }, at) => ({ name: free(name, lowered), column: pathColumn(at) })),
    ...commitColumns.map((name) => ({ name: free(`_${name}`, lowered), column: name })),
    ...(hasLines ? [{ name: free('_value', lowered), column: lineColumn }] : []),
  ]
}

/** What the topic's view selects from its scan. */
export function valueSelection(topic: ValueTopic, asBytes: boolean): string {
  const { columns, isRaw } = topic
  const types = new Map(columns.map(({ type }, at) => [valueColumn(at), type]))
  const cell = (column: string): string => {
    const type = types.get(column)
    if (type === undefined) return column
    // As the text of messages: bytes that are none as SQL writes them.
    return isRaw && !asBytes ? `coalesce(try(decode(${column})), ${column}::VARCHAR)` : cellExpression(type, column)
  }
  return viewColumns(topic)
    .map(({ name, column }) => `${cell(column)} AS ${quotedName(name)}`)
    .join(', ')
}

/** Names of the view that conditions can be made of, and their columns of the scan; not those that a field within values has too. */
export function viewNames(topic: ValueTopic): Record<string, string> {
  const fields = new Set(topic.columns.flatMap(({ type }) => fieldNames(type)))
  const named = viewColumns(topic).filter(({ name, column }) => !column.startsWith('c') && !fields.has(name.toLowerCase()))
  return Object.fromEntries(named.map(({ name, column }) => [name, column]))
}

/** Names of fields within values, which a statement can make columns of without naming them. */
function fieldNames(type: ColumnType): string[] {
  if (type.kind === 'list') return fieldNames(type.items)
  if (type.kind === 'map') return fieldNames(type.values)
  if (type.kind !== 'struct') return []
  return type.fields.flatMap((field) => [field.name.toLowerCase(), ...fieldNames(field.type)])
}
