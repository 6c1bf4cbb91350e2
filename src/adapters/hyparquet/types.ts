import type { SchemaElement, SchemaTree } from 'hyparquet'
import { MillpondError } from '../../errors.ts'
import { type ColumnType, structOf } from '../../query/value-types.ts'

const isGroup = ({ children }: SchemaTree): boolean => children.length > 0
const isAnnotated = ({ element }: SchemaTree, converted: string): boolean =>
  element.converted_type === converted || element.logical_type?.type === converted

/** The node of a list's items; undefined for what is no list. Source: Apache Parquet, LogicalTypes.md, "Lists". */
export function itemsOf(node: SchemaTree): SchemaTree | undefined {
  if (!isAnnotated(node, 'LIST')) return undefined
  const repeated = node.children[0]!
  return repeated.children.length === 1 ? repeated.children[0]! : repeated
}

/** The node of a map's values; undefined for what is no map. */
export const valuesOf = (node: SchemaTree): SchemaTree | undefined =>
  isAnnotated(node, 'MAP') ? node.children[0]?.children[1] : undefined

/** What cells of a node are. @throws MillpondError `FORMAT_UNSUPPORTED`. */
export function parquetColumnType(node: SchemaTree): ColumnType {
  const items = itemsOf(node)
  if (items !== undefined) return { kind: 'list', items: parquetColumnType(items) }
  const values = valuesOf(node)
  if (values !== undefined) return { kind: 'map', values: parquetColumnType(values) }
  if (!isGroup(node)) return leafType(node.element)
  return structOf(node.children.map((child) => ({ name: child.element.name, type: parquetColumnType(child) })))
}

function leafType(element: SchemaElement): ColumnType {
  const { type, converted_type: converted, logical_type: logical } = element
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL')
    return { kind: 'decimal', precision: element.precision ?? 38, scale: element.scale ?? 0 }
  if (type === 'INT32' || type === 'INT64') return wholeType(element)
  if (type === 'BYTE_ARRAY' && (converted === 'JSON' || logical?.type === 'JSON')) return { kind: 'json' }
  if (type === 'BYTE_ARRAY') return { kind: isText(element) ? 'text' : 'blob' }
  if (type === 'FIXED_LEN_BYTE_ARRAY') return { kind: logical?.type === 'UUID' ? 'uuid' : 'blob' }
  if (type === 'BOOLEAN') return { kind: 'boolean' }
  if (type === 'FLOAT') return { kind: 'float' }
  if (type === 'DOUBLE') return { kind: 'double' }
  throw new MillpondError('FORMAT_UNSUPPORTED', `the column ${element.name} has the type ${type ?? 'none'}, which is not read`)
}

/** Whether bytes are text. */
export const isText = ({ converted_type: converted, logical_type: logical }: SchemaElement): boolean =>
  converted === 'UTF8' || converted === 'ENUM' || logical?.type === 'STRING' || logical?.type === 'ENUM'

function wholeType({ type, converted_type: converted, logical_type: logical }: SchemaElement): ColumnType {
  if (converted === 'DATE' || logical?.type === 'DATE') return { kind: 'date' }
  if (logical?.type === 'TIME' || converted?.startsWith('TIME_')) return { kind: 'time' }
  if (logical?.type === 'TIMESTAMP') {
    if (logical.unit === 'NANOS') return { kind: 'nanos' }
    return { kind: logical.isAdjustedToUTC ? 'moment' : 'timestamp' }
  }
  if (converted?.startsWith('TIMESTAMP_')) return { kind: 'moment' }
  if (converted === 'UINT_64') return { kind: 'ulong' }
  return { kind: type === 'INT64' || converted === 'UINT_32' ? 'long' : 'int' }
}

/** How many of its units a second has, for times. */
export function unitsPerSecond({ converted_type: converted, logical_type: logical }: SchemaElement): bigint {
  if (logical?.type === 'TIME' || logical?.type === 'TIMESTAMP')
    return logical.unit === 'NANOS' ? 1_000_000_000n : logical.unit === 'MILLIS' ? 1000n : 1_000_000n
  return converted?.endsWith('_MILLIS') === true ? 1000n : 1_000_000n
}
