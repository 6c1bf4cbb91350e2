/** What the cells of a column are, whatever format they come from. */
export type ColumnType =
  | { readonly kind: ScalarKind }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'list'; readonly items: ColumnType }
  /** Its keys are text. */
  | { readonly kind: 'map'; readonly values: ColumnType }
  | { readonly kind: 'struct'; readonly fields: readonly ValueColumn[] }

/** Kinds of one value. `null` is what only null was seen of, `json` what has no type of its own, or several that do not widen to one. */
export type ScalarKind = keyof typeof scalars

/** A column of values, or a field within one. */
export interface ValueColumn {
  readonly name: string
  readonly type: ColumnType
}

/** How cells travel: numbers of a fixed size, or bytes. */
export type Wire = 'boolean' | 'int32' | 'int64' | 'float' | 'double' | 'bytes'

const scalars = {
  null: { sql: 'JSON', wire: 'bytes' },
  boolean: { sql: 'BOOLEAN', wire: 'boolean' },
  int: { sql: 'INTEGER', wire: 'int32' },
  long: { sql: 'BIGINT', wire: 'int64' },
  ulong: { sql: 'UBIGINT', wire: 'bytes' },
  float: { sql: 'FLOAT', wire: 'float' },
  double: { sql: 'DOUBLE', wire: 'double' },
  text: { sql: 'VARCHAR', wire: 'bytes' },
  blob: { sql: 'BLOB', wire: 'bytes' },
  date: { sql: 'DATE', wire: 'int32' },
  time: { sql: 'TIME', wire: 'int64' },
  timestamp: { sql: 'TIMESTAMP', wire: 'int64' },
  /** A moment: in UTC, as the session is. */
  moment: { sql: 'TIMESTAMPTZ', wire: 'int64' },
  nanos: { sql: 'TIMESTAMP_NS', wire: 'int64' },
  uuid: { sql: 'UUID', wire: 'bytes' },
  json: { sql: 'JSON', wire: 'bytes' },
} as const satisfies Record<string, { readonly sql: string; readonly wire: Wire }>

const isScalar = (type: ColumnType): type is { readonly kind: ScalarKind } => type.kind in scalars

/** How cells of the type travel. Decimals go as text, what nests as JSON. */
export const wireOf = (type: ColumnType): Wire => (isScalar(type) ? scalars[type.kind].wire : 'bytes')

/** Text in quotes, as a name in SQL. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`
const quotedText = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The type as SQL calls it. */
export function sqlType(type: ColumnType): string {
  if (isScalar(type)) return scalars[type.kind].sql
  if (type.kind === 'decimal') return `DECIMAL(${type.precision}, ${type.scale})`
  if (type.kind === 'list') return `${sqlType(type.items)}[]`
  if (type.kind === 'map') return `MAP(VARCHAR, ${sqlType(type.values)})`
  return `STRUCT(${type.fields.map((field) => `${quotedName(field.name)} ${sqlType(field.type)}`).join(', ')})`
}

/** Types that a scan gives as they are; all others it gives as text. */
const given: ReadonlySet<string> = new Set([
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'text',
  'blob',
  'date',
  'time',
  'timestamp',
  'moment',
  'nanos',
])

/** Whether a scan gives cells of the type as they are, and not as text. */
export const isGiven = ({ kind }: ColumnType): boolean => given.has(kind)

/** What makes cells of the type from what a scan gives as its column `name`. */
export function cellExpression(type: ColumnType, name: string): string {
  if (isGiven(type)) return name
  if (isScalar(type) || type.kind === 'decimal') return `${name}::${sqlType(type)}`
  // Out of JSON bytes come as the text that SQL writes them as; a cast makes bytes of it.
  const made = `from_json(${name}, ${quotedText(JSON.stringify(sqlType(withoutBytes(type))))})`
  return hasBytes(type) ? `${made}::${sqlType(type)}` : made
}

/** The type with text in the place of bytes. */
function withoutBytes(type: ColumnType): ColumnType {
  if (type.kind === 'blob') return { kind: 'text' }
  if (type.kind === 'list') return { kind: 'list', items: withoutBytes(type.items) }
  if (type.kind === 'map') return { kind: 'map', values: withoutBytes(type.values) }
  if (type.kind !== 'struct') return type
  return { kind: 'struct', fields: type.fields.map((field) => ({ name: field.name, type: withoutBytes(field.type) })) }
}

function hasBytes(type: ColumnType): boolean {
  if (type.kind === 'list') return hasBytes(type.items)
  if (type.kind === 'map') return hasBytes(type.values)
  return type.kind === 'blob' || (type.kind === 'struct' && type.fields.some((field) => hasBytes(field.type)))
}

/** A struct of the fields; JSON where SQL could not tell their names apart, or there are none. */
export function structOf(fields: readonly ValueColumn[]): ColumnType {
  const names = new Set(fields.map(({ name }) => name.toLowerCase()))
  return names.size === fields.length && fields.length > 0 ? { kind: 'struct', fields } : { kind: 'json' }
}

/** Numbers, each of which holds all that the ones before it do, but for `float`. */
const numbers: ReadonlySet<string> = new Set(['int', 'long', 'float', 'double'])
const MAX_PRECISION = 38

/** The type that cells of both can have: numbers become wider, structs get the fields of both, what does not fit together is JSON. */
export function widerType(a: ColumnType, b: ColumnType): ColumnType {
  if (a.kind === 'null') return b
  if (b.kind === 'null') return a
  if (a.kind === 'struct' && b.kind === 'struct') return structOf(widerColumns(a.fields, b.fields))
  if (a.kind === 'list' && b.kind === 'list') return { kind: 'list', items: widerType(a.items, b.items) }
  if (a.kind === 'map' && b.kind === 'map') return { kind: 'map', values: widerType(a.values, b.values) }
  if (a.kind === 'decimal' && b.kind === 'decimal') return widerDecimal(a, b)
  if (a.kind === b.kind) return a
  if (numbers.has(a.kind) && numbers.has(b.kind)) return isDirect(a, b) ? b : isDirect(b, a) ? a : { kind: 'double' }
  return { kind: 'json' }
}

type Decimal = ColumnType & { readonly kind: 'decimal' }

function widerDecimal(a: Decimal, b: Decimal): ColumnType {
  const scale = Math.max(a.scale, b.scale)
  const precision = scale + Math.max(a.precision - a.scale, b.precision - b.scale)
  return precision > MAX_PRECISION ? { kind: 'json' } : { kind: 'decimal', precision, scale }
}

/** The columns of both by name, those that only the second has behind the others. */
export function widerColumns(a: readonly ValueColumn[], b: readonly ValueColumn[]): ValueColumn[] {
  const byName = new Map(a.map(({ name, type }) => [name, type]))
  for (const { name, type } of b) {
    const before = byName.get(name)
    byName.set(name, before === undefined ? type : widerType(before, type))
  }
  return [...byName].map(([name, type]) => ({ name, type }))
}

/** Whether a cell of type `from` is one of type `to` as it is, or as the same number; otherwise it is written there as JSON. */
export function isDirect(from: ColumnType, to: ColumnType): boolean {
  if (from.kind === to.kind) return true
  if (to.kind === 'double') return numbers.has(from.kind)
  return to.kind === 'long' && from.kind === 'int'
}
