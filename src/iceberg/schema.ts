/** Schemas of Iceberg tables, in the form that their JSON has. Source: Apache Iceberg table specification, "Schemas and data types", read 2026-11. */

/** A type without parts. */
export type PrimitiveType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'string'
  | 'uuid'
  | 'binary'
  | `fixed[${number}]`
  | `decimal(${number}, ${number})`

export interface StructType {
  readonly type: 'struct'
  readonly fields: readonly Field[]
}

export interface ListType {
  readonly type: 'list'
  readonly 'element-id': number
  readonly element: FieldType
  readonly 'element-required': boolean
}

export interface MapType {
  readonly type: 'map'
  readonly 'key-id': number
  readonly key: FieldType
  readonly 'value-id': number
  readonly value: FieldType
  readonly 'value-required': boolean
}

export type FieldType = PrimitiveType | StructType | ListType | MapType

/** A column, or a part of one. Its id never changes and is never used again. */
export interface Field {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: FieldType
  readonly doc?: string
}

export interface Schema extends StructType {
  readonly 'schema-id': number
}

/** Parts of a decimal's type; undefined for other types. */
export function decimalParts(type: FieldType): { readonly precision: number; readonly scale: number } | undefined {
  const found = typeof type === 'string' ? /^decimal\((\d+),\s*(\d+)\)$/u.exec(type) : null
  return found === null ? undefined : { precision: Number(found[1]), scale: Number(found[2]) }
}

/** Bytes of a fixed type; undefined for other types. */
export function fixedBytes(type: FieldType): number | undefined {
  const found = typeof type === 'string' ? /^fixed\[(\d+)\]$/u.exec(type) : null
  return found === null ? undefined : Number(found[1])
}

/** One part of a type: its field id, its name as name mappings have it, and its type. */
export interface Part {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: FieldType
}

/** What a type is made of: nothing for a primitive one. */
export function partsOf(type: FieldType): readonly Part[] {
  if (typeof type === 'string') return []
  if (type.type === 'struct') return type.fields
  if (type.type === 'list')
    return [{ id: type['element-id'], name: 'element', required: type['element-required'], type: type.element }]
  return [
    { id: type['key-id'], name: 'key', required: true, type: type.key },
    { id: type['value-id'], name: 'value', required: type['value-required'], type: type.value },
  ]
}

/** Every part of a type, at any depth, with its names from the outermost on. */
export function* allParts(
  type: FieldType,
  names: readonly string[] = [],
): Generator<Part & { readonly names: readonly string[] }> {
  for (const part of partsOf(type)) {
    const path = [...names, part.name]
    yield { ...part, names: path }
    yield* allParts(part.type, path)
  }
}

/** The key of a column in maps by its names. */
export const pathKey = (names: readonly string[]): string => names.join('\u0000')

interface MappedField {
  readonly 'field-id': number
  readonly names: readonly string[]
  readonly fields?: readonly MappedField[]
}

/** What the property `schema.name-mapping.default` holds: how readers find columns in files without field ids. */
export const nameMapping = (type: FieldType): readonly MappedField[] =>
  partsOf(type).map((part) => {
    const fields = nameMapping(part.type)
    return { 'field-id': part.id, names: [part.name], ...(fields.length === 0 ? {} : { fields }) }
  })

/** A field found by its dotted name; only structs are entered. */
export function findField(schema: StructType, name: string): Field | undefined {
  let fields = schema.fields
  let rest = name
  for (;;) {
    const whole = fields.find((field) => field.name === rest)
    if (whole !== undefined) return whole
    const outer = fields.find((field) => rest.startsWith(`${field.name}.`))
    if (outer === undefined || typeof outer.type === 'string' || outer.type.type !== 'struct') return undefined
    rest = rest.slice(outer.name.length + 1)
    fields = outer.type.fields
  }
}
