import { NO_ID } from './evolve.ts'
import type { ParquetElement } from './parquet-footer.ts'
import { type Field, type FieldType, pathKey, type PrimitiveType } from './schema.ts'

/** A column that holds values, and how its statistics are written. */
export interface Leaf {
  /** Names as the table has them: `tags`, `element`. */
  readonly names: readonly string[]
  /** Whether it lies in a list or map: it has no bounds then. */
  readonly repeated: boolean
  readonly type: PrimitiveType
  /** How it is stored, by its number in parquet.thrift. */
  readonly physical: number
}

/** The columns of a file as those of a table, without field ids where it has none. */
export interface FileColumns {
  readonly fields: readonly Field[]
  /** By names as the file has them, joined by `\0`. */
  readonly leaves: ReadonlyMap<string, Leaf>
  /** Columns that a table cannot have, by dotted name, and why. */
  readonly leftOut: readonly { readonly column: string; readonly reason: string }[]
}

const [BOOLEAN, INT32, INT64, FLOAT, DOUBLE, BYTE_ARRAY, FIXED] = [0, 1, 2, 4, 5, 6, 7] as const
const REPEATED = 2
const MAX_PRECISION = 38

/** Logical types by their number in parquet.thrift. */
const LOGICAL = {
  string: 1,
  map: 2,
  list: 3,
  enum: 4,
  decimal: 5,
  date: 6,
  time: 7,
  timestamp: 8,
  integer: 10,
  json: 12,
  bson: 13,
  uuid: 14,
}
/** Converted types, which say the same in older files. */
const CONVERTED: Readonly<Record<number, Partial<Said>>> = {
  0: { kind: 'string' },
  1: { kind: 'map' },
  2: { kind: 'map' },
  3: { kind: 'list' },
  4: { kind: 'enum' },
  5: { kind: 'decimal' },
  6: { kind: 'date' },
  7: { kind: 'time', unit: 'millis' },
  8: { kind: 'time', unit: 'micros' },
  9: { kind: 'timestamp', unit: 'millis', utc: true },
  10: { kind: 'timestamp', unit: 'micros', utc: true },
  11: { kind: 'integer', bits: 8, signed: false },
  12: { kind: 'integer', bits: 16, signed: false },
  13: { kind: 'integer', bits: 32, signed: false },
  14: { kind: 'integer', bits: 64, signed: false },
  15: { kind: 'integer', bits: 8, signed: true },
  16: { kind: 'integer', bits: 16, signed: true },
  17: { kind: 'integer', bits: 32, signed: true },
  18: { kind: 'integer', bits: 64, signed: true },
  19: { kind: 'json' },
  20: { kind: 'bson' },
  21: { kind: 'interval' },
}

/** What an element says of its type beside how it is stored. */
interface Said {
  readonly kind: keyof typeof LOGICAL | 'none' | 'interval' | 'other'
  readonly unit: 'millis' | 'micros' | 'nanos'
  readonly utc: boolean
  readonly bits: number
  readonly signed: boolean
  readonly scale: number
  readonly precision: number
}

/** The columns of a file. What a table cannot have is left out by name; readers then pass it over. */
export function fileColumns(elements: readonly ParquetElement[]): FileColumns {
  const leaves = new Map<string, Leaf>()
  const leftOut: { column: string; reason: string }[] = []
  const fields = convertFields(elements, { leaves, leftOut, path: [], names: [], repeated: false })
  return { fields, leaves, leftOut }
}

interface Walk {
  readonly leaves: Map<string, Leaf>
  readonly leftOut: { column: string; reason: string }[]
  /** Names as the file has them. */
  readonly path: readonly string[]
  /** Names as the table has them. */
  readonly names: readonly string[]
  readonly repeated: boolean
}

const below = (walk: Walk, path: readonly string[], name: string, repeated = walk.repeated): Walk => ({
  ...walk,
  path: [...walk.path, ...path],
  names: [...walk.names, name],
  repeated,
})

function convertFields(elements: readonly ParquetElement[], walk: Walk): Field[] {
  return elements.flatMap((element) => {
    const inner = below(walk, [element.name], element.name)
    const type = element.repetition === REPEATED ? leave(inner, 'it is repeated without being a list') : convert(element, inner)
    if (type === undefined) return []
    return [{ id: idOf(element), name: element.name, required: element.repetition === 0, type }]
  })
}

const idOf = ({ fieldId }: ParquetElement): number => fieldId ?? NO_ID

function leave(walk: Walk, reason: string): undefined {
  walk.leftOut.push({ column: walk.names.join('.'), reason })
}

function convert(element: ParquetElement, walk: Walk): FieldType | undefined {
  const said = saidOf(element)
  if (element.physical !== undefined) return convertLeaf(element, said, walk)
  if (said.kind === 'list') return convertList(element, walk)
  if (said.kind === 'map') return convertMap(element, walk)
  if (said.kind !== 'none') return leave(walk, 'a table of version 2 has no such type')
  const fields = convertFields(element.children, walk)
  return fields.length === 0 ? leave(walk, 'nothing of it can be in a table') : { type: 'struct', fields }
}

/** A list of three levels: the group, one that is repeated, and the element. */
function convertList(element: ParquetElement, walk: Walk): FieldType | undefined {
  const [middle, ...more] = element.children
  const [inner, ...rest] = middle?.children ?? []
  if (middle?.repetition !== REPEATED || inner === undefined || more.length + rest.length > 0)
    return leave(walk, 'it is a list of the old form')
  const type = convert(inner, below(walk, [middle.name, inner.name], 'element', true))
  return type && { type: 'list', 'element-id': idOf(inner), element: type, 'element-required': inner.repetition === 0 }
}

function convertMap(element: ParquetElement, walk: Walk): FieldType | undefined {
  const [middle] = element.children
  const [keys, values] = middle?.children ?? []
  if (middle?.repetition !== REPEATED || keys === undefined || values === undefined)
    return leave(walk, 'it is a map without keys or values')
  const key = convert(keys, below(walk, [middle.name, keys.name], 'key', true))
  const value = convert(values, below(walk, [middle.name, values.name], 'value', true))
  if (key === undefined || value === undefined) return undefined
  const required = values.repetition === 0
  return { type: 'map', 'key-id': idOf(keys), key, 'value-id': idOf(values), value, 'value-required': required }
}

function convertLeaf(element: ParquetElement, said: Said, walk: Walk): FieldType | undefined {
  // Readers compare what is asked for, in microseconds, with a file's statistics as they are: of milliseconds they would miss rows.
  const isCoarse = said.unit === 'millis' && (said.kind === 'time' || said.kind === 'timestamp')
  if (isCoarse) return leave(walk, 'it counts milliseconds, and a table has microseconds')
  const type = leafType(element, said)
  if (type === undefined)
    return leave(walk, `a table of version 2 has no type for ${said.kind === 'none' ? 'how it is stored' : said.kind}`)
  walk.leaves.set(pathKey(walk.path), { names: walk.names, repeated: walk.repeated, type, physical: element.physical! })
  return type
}

function leafType({ physical, typeBytes }: ParquetElement, said: Said): PrimitiveType | undefined {
  if (said.kind === 'decimal')
    return physical === BOOLEAN || said.precision > MAX_PRECISION ? undefined : `decimal(${said.precision}, ${said.scale})`
  if (physical === BOOLEAN) return 'boolean'
  if (physical === FLOAT) return 'float'
  if (physical === DOUBLE) return 'double'
  if (physical === INT32) return int32Type(said)
  if (physical === INT64) return int64Type(said)
  if (physical === BYTE_ARRAY) {
    if (said.kind === 'string' || said.kind === 'enum' || said.kind === 'json') return 'string'
    return said.kind === 'none' || said.kind === 'bson' ? 'binary' : undefined
  }
  if (physical !== FIXED || typeBytes === undefined) return undefined
  if (said.kind === 'uuid') return 'uuid'
  return said.kind === 'none' || said.kind === 'interval' ? `fixed[${typeBytes}]` : undefined
}

function int32Type(said: Said): PrimitiveType | undefined {
  if (said.kind === 'date') return 'date'
  // All of an unsigned one of 32 bits is only in a long, and readers do not make one of it.
  return said.kind === 'none' || (said.kind === 'integer' && (said.signed || said.bits < 32)) ? 'int' : undefined
}

function int64Type(said: Said): PrimitiveType | undefined {
  if (said.kind === 'timestamp' && said.unit === 'micros') return said.utc ? 'timestamptz' : 'timestamp'
  if (said.kind === 'time' && said.unit === 'micros') return 'time'
  return said.kind === 'none' || (said.kind === 'integer' && said.signed) ? 'long' : undefined
}

const nothing: Said = { kind: 'none', unit: 'micros', utc: false, bits: 0, signed: true, scale: 0, precision: 0 }

function saidOf({ logical, converted, scale, precision }: ParquetElement): Said {
  if (logical === undefined)
    return { ...nothing, ...(converted === undefined ? {} : (CONVERTED[converted] ?? { kind: 'other' })), scale, precision }
  const kind = (Object.keys(LOGICAL) as (keyof typeof LOGICAL)[]).find((name) => LOGICAL[name] === logical.kind) ?? 'other'
  const { fields } = logical
  if (kind === 'integer') return { ...nothing, kind, bits: Number(fields.get(1)), signed: fields.get(2) === true }
  if (kind === 'decimal') return { ...nothing, kind, scale: Number(fields.get(1)), precision: Number(fields.get(2)) }
  if (kind !== 'time' && kind !== 'timestamp') return { ...nothing, kind }
  const unit = fields.get(2)
  const which = unit instanceof Map ? [...unit.keys()][0] : undefined
  return { ...nothing, kind, utc: fields.get(1) === true, unit: which === 1 ? 'millis' : which === 2 ? 'micros' : 'nanos' }
}
