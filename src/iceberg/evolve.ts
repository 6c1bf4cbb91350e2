import { MillpondError } from '../errors.ts'
import { allParts, decimalParts, type Field, type FieldType, type PrimitiveType, type Schema, type StructType } from './schema.ts'

/** The id of a field of a file that has none. */
export const NO_ID = -1

/** A table's columns, and the largest id that any of its schemas ever had. */
export interface Columns {
  readonly fields: readonly Field[]
  readonly lastColumnId: number
}

/** Columns of a table that is made for files with these fields: ids as the files have them, or counted. */
export function firstColumns(fields: readonly Field[]): Columns {
  const ids = [...allParts({ type: 'struct', fields })].map(({ id }) => id)
  const merging: Merging = { used: new Set(), floor: 0, last: Math.max(0, ...ids) }
  return { fields: fields.map((field) => numbered(merging, field, field.required)), lastColumnId: merging.last }
}

/**
 * Columns that hold what they held and what a file with `incoming` has; the very same object where nothing changes. Columns are the same
 * where their names are. What is new is added as optional, what a file lacks becomes optional, int becomes long, float double, and a
 * decimal wider; ids stay.
 * @throws MillpondError `SCHEMA_CONFLICT` where a column would have to be two things.
 */
export function mergeColumns(columns: Columns, incoming: readonly Field[]): Columns {
  const parts = [...allParts({ type: 'struct', fields: columns.fields })]
  const { lastColumnId } = columns
  const merging: Merging = { used: new Set(parts.map(({ id }) => id)), floor: lastColumnId, last: lastColumnId }
  const fields = mergeFields(merging, columns.fields, incoming, [])
  return fields === columns.fields ? columns : { fields, lastColumnId: merging.last }
}

/** The schema of the table that has these columns already, if there is one. */
export const sameSchema = (schemas: readonly Schema[], fields: readonly Field[]): Schema | undefined => {
  const text = JSON.stringify(fields.map(plain))
  return schemas.find((schema) => JSON.stringify(schema.fields.map(plain)) === text)
}

/** A field with its keys in one order, without what does not matter. */
function plain({ id, name, required, type }: Field): object {
  return { id, name, required, type: plainType(type) }
}

function plainType(type: FieldType): unknown {
  if (typeof type === 'string') return type.replaceAll(' ', '')
  if (type.type === 'struct') return type.fields.map(plain)
  if (type.type === 'list') return ['list', type['element-id'], plainType(type.element), type['element-required']]
  return ['map', type['key-id'], plainType(type.key), type['value-id'], plainType(type.value), type['value-required']]
}

interface Merging {
  /** Ids that are taken. */
  readonly used: Set<number>
  /** No new column may have an id up to here: an older schema may have had it. */
  readonly floor: number
  /** The largest id so far. */
  last: number
}

type Names = readonly string[]

function mergeFields(merging: Merging, ours: readonly Field[], theirs: readonly Field[], names: Names): readonly Field[] {
  const found = new Map(theirs.map((field) => [field.name, field]))
  const kept = ours.map((field) => {
    const other = found.get(field.name)
    if (other === undefined) return field.required ? { ...field, required: false } : field
    return mergeField(merging, field, other, [...names, field.name])
  })
  const known = new Set(ours.map(({ name }) => name))
  const added = theirs.filter(({ name }) => !known.has(name)).map((field) => numbered(merging, field, false))
  return added.length === 0 && kept.every((field, i) => field === ours[i]) ? ours : [...kept, ...added]
}

function mergeField(merging: Merging, ours: Field, theirs: Field, names: Names): Field {
  checkId(ours.id, theirs.id, names)
  const type = mergeType(merging, ours.type, theirs.type, names)
  const required = ours.required && theirs.required
  return type === ours.type && required === ours.required ? ours : { ...ours, type, required }
}

function mergeType(merging: Merging, ours: FieldType, theirs: FieldType, names: Names): FieldType {
  if (typeof ours === 'string' && typeof theirs === 'string') return mergePrimitive(ours, theirs, names)
  if (typeof ours === 'string' || typeof theirs === 'string' || ours.type !== theirs.type) throw conflict(ours, theirs, names)
  if (ours.type === 'struct') {
    const fields = mergeFields(merging, ours.fields, (theirs as StructType).fields, names)
    return fields === ours.fields ? ours : { ...ours, fields }
  }
  if (ours.type === 'list' && theirs.type === 'list') {
    const element = mergePart(
      merging,
      [ours['element-id'], ours.element],
      [theirs['element-id'], theirs.element],
      [...names, 'element'],
    )
    const required = ours['element-required'] && theirs['element-required']
    return element === ours.element && required === ours['element-required']
      ? ours
      : { ...ours, element, 'element-required': required }
  }
  if (ours.type !== 'map' || theirs.type !== 'map') throw conflict(ours, theirs, names)
  const key = mergePart(merging, [ours['key-id'], ours.key], [theirs['key-id'], theirs.key], [...names, 'key'])
  // What names an entry is not to change: equal keys must stay equal.
  if (key !== ours.key) throw conflict(ours.key, theirs.key, [...names, 'key'])
  const value = mergePart(merging, [ours['value-id'], ours.value], [theirs['value-id'], theirs.value], [...names, 'value'])
  const required = ours['value-required'] && theirs['value-required']
  return value === ours.value && required === ours['value-required'] ? ours : { ...ours, value, 'value-required': required }
}

function mergePart(
  merging: Merging,
  [id, type]: readonly [number, FieldType],
  [otherId, other]: readonly [number, FieldType],
  names: Names,
): FieldType {
  checkId(id, otherId, names)
  return mergeType(merging, type, other, names)
}

function mergePrimitive(ours: PrimitiveType, theirs: PrimitiveType, names: Names): PrimitiveType {
  if (ours.replaceAll(' ', '') === theirs.replaceAll(' ', '')) return ours
  const pair = `${ours} ${theirs}`
  if (pair === 'int long' || pair === 'long int') return 'long'
  if (pair === 'float double' || pair === 'double float') return 'double'
  const [left, right] = [decimalParts(ours), decimalParts(theirs)]
  if (left === undefined || right === undefined || left.scale !== right.scale) throw conflict(ours, theirs, names)
  return left.precision >= right.precision ? ours : theirs
}

/** A field with ids in all its parts: those that it has, or new ones. */
function numbered(merging: Merging, field: Field, required: boolean): Field {
  const id = takeId(merging, field.id)
  return { ...field, id, required, type: numberedType(merging, field.type) }
}

function numberedType(merging: Merging, type: FieldType): FieldType {
  if (typeof type === 'string') return type
  if (type.type === 'struct') return { ...type, fields: type.fields.map((field) => numbered(merging, field, field.required)) }
  if (type.type === 'list')
    return { ...type, 'element-id': takeId(merging, type['element-id']), element: numberedType(merging, type.element) }
  const [key, value] = [takeId(merging, type['key-id']), takeId(merging, type['value-id'])]
  return {
    ...type,
    'key-id': key,
    'value-id': value,
    key: numberedType(merging, type.key),
    value: numberedType(merging, type.value),
  }
}

/** A file's own id is kept; one that the table has or had for something else cannot be. */
function takeId(merging: Merging, wanted: number): number {
  if (merging.used.has(wanted) || (wanted !== NO_ID && wanted <= merging.floor)) {
    throw new MillpondError(
      'SCHEMA_CONFLICT',
      `a new column has the field id ${wanted} in a file, which another column of the table has`,
      {
        details: { id: wanted },
      },
    )
  }
  const id = wanted === NO_ID ? merging.last + 1 : wanted
  merging.last = Math.max(merging.last, id)
  merging.used.add(id)
  return id
}

function checkId(ours: number, theirs: number, names: Names): void {
  if (theirs === NO_ID || theirs === ours) return
  throw new MillpondError(
    'SCHEMA_CONFLICT',
    `column ${names.join('.')} has the field id ${theirs} in a file and ${ours} in the table`,
    { details: { column: names.join('.'), ours, theirs } },
  )
}

const nameOf = (type: FieldType): string => (typeof type === 'string' ? type : type.type)

function conflict(ours: FieldType, theirs: FieldType, names: Names): MillpondError {
  const column = names.join('.')
  return new MillpondError(
    'SCHEMA_CONFLICT',
    `column ${column} is ${nameOf(ours)} in the table and ${nameOf(theirs)} in a file`,
    {
      details: { column, ours: nameOf(ours), theirs: nameOf(theirs) },
    },
  )
}
