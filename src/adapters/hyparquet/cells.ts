import type { SchemaTree } from 'hyparquet'
import {
  bytesText,
  dateText,
  decimalText,
  numberJson,
  scaledText,
  timestampText,
  timeText,
  uuidText,
} from '../../query/cell-text.ts'
import type { CellBuilder } from '../../query/column-builder.ts'
import { type ColumnType, isDirect } from '../../query/value-types.ts'
import { itemsOf, parquetColumnType, unitsPerSecond, valuesOf } from './types.ts'

/** A cell as it was stored, or of what nests: lists, and objects by name. */
type Stored = unknown
const isNull = (value: Stored): value is null | undefined => value === null || value === undefined

/** What puts the cells of a column where they go. */
export function cellWriter(node: SchemaTree, cells: CellBuilder): (value: Stored) => void {
  const own = parquetColumnType(node)
  const put = isDirect(own, cells.type)
    ? directWriter(node, own, cells)
    : (value: Stored) => cells.putText(jsonOf(node, own, value))
  return (value) => {
    if (isNull(value)) cells.putNull()
    else put(value)
  }
}

const fixedKinds: ReadonlySet<string> = new Set(['boolean', 'int', 'date', 'float', 'double'])
const wholeKinds: ReadonlySet<string> = new Set(['long', 'timestamp', 'moment', 'nanos', 'time'])
const bytesKinds: ReadonlySet<string> = new Set(['text', 'blob', 'json'])

function directWriter(node: SchemaTree, own: ColumnType, cells: CellBuilder): (value: Stored) => void {
  if (fixedKinds.has(own.kind)) return (value) => cells.putNumber(Number(value))
  if (wholeKinds.has(own.kind)) return wholeWriter(node, own, cells)
  if (bytesKinds.has(own.kind) && node.children.length === 0)
    return (value) => {
      const bytes = value as Uint8Array
      cells.putBytes(bytes, 0, bytes.byteLength)
    }
  if (own.kind === 'decimal' || own.kind === 'uuid') return (value) => cells.putText(plainText(node, own, value))
  return (value) => cells.putText(jsonOf(node, own, value))
}

function wholeWriter(node: SchemaTree, own: ColumnType, cells: CellBuilder): (value: Stored) => void {
  const { element } = node
  const wanted = own.kind === 'nanos' ? 1_000_000_000n : 1_000_000n
  const factor = own.kind === 'long' ? 1n : wanted / unitsPerSecond(element)
  if (factor > 1n) return (value) => cells.putBig(wholeOf(value) * factor)
  // A time of the day in nanoseconds has no type of its own.
  if (factor === 0n) return (value) => cells.putBig(wholeOf(value) / 1000n)
  const isUnsigned = element.converted_type === 'UINT_32'
  return (value) => {
    if (typeof value === 'bigint') cells.putBig(value)
    else cells.putNumber(isUnsigned ? Number(value) >>> 0 : Number(value))
  }
}

/** The text of a value that has no JSON of its own, as SQL reads it. */
function plainText({ element }: SchemaTree, own: ColumnType, value: Stored): string {
  if (own.kind === 'blob') return bytesText(value as Uint8Array)
  if (own.kind === 'uuid') return uuidText(value as Uint8Array)
  if (own.kind === 'decimal')
    return value instanceof Uint8Array ? decimalText(value, own.scale) : scaledText(wholeOf(value), own.scale)
  if (own.kind === 'date') return dateText(Number(value))
  if (own.kind === 'time') return timeText((wholeOf(value) * 1_000_000n) / unitsPerSecond(element))
  return timestampText(wholeOf(value), unitsPerSecond(element))
}

/** A whole number of 32 or 64 bits. */
const wholeOf = (value: Stored): bigint => (typeof value === 'bigint' ? value : BigInt(Number(value)))

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A value as JSON, of which SQL makes cells. */
function jsonOf(node: SchemaTree, own: ColumnType, value: Stored): string {
  if (isNull(value)) return 'null'
  if (node.children.length > 0) return nestedJson(node, value)
  if (own.kind === 'boolean') return value === true || value === 1 ? 'true' : 'false'
  if (own.kind === 'float' || own.kind === 'double') return numberJson(Number(value))
  if (own.kind === 'text') return JSON.stringify(asText(value))
  if (own.kind === 'json') return asText(value)
  if (own.kind === 'ulong') return String(BigInt.asUintN(64, wholeOf(value)))
  if (own.kind === 'int' || own.kind === 'long')
    return String(node.element.converted_type === 'UINT_32' ? BigInt.asUintN(32, wholeOf(value)) : wholeOf(value))
  return JSON.stringify(plainText(node, own, value))
}

const asText = (value: Stored): string => (value instanceof Uint8Array ? decoder.decode(value) : String(value))

function nestedJson(node: SchemaTree, value: Stored): string {
  const items = itemsOf(node)
  if (items !== undefined) {
    const type = parquetColumnType(items)
    return `[${(value as readonly Stored[]).map((item) => jsonOf(items, type, item)).join(',')}]`
  }
  const byName = value as Readonly<Record<string, Stored>>
  const values = valuesOf(node)
  if (values !== undefined) {
    const type = parquetColumnType(values)
    return `{${Object.entries(byName)
      .map(([name, each]) => `${JSON.stringify(name)}:${jsonOf(values, type, each)}`)
      .join(',')}}`
  }
  return `{${node.children
    .map(
      (child) => `${JSON.stringify(child.element.name)}:${jsonOf(child, parquetColumnType(child), byName[child.element.name])}`,
    )
    .join(',')}}`
}
