import { MillpondError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { ColumnBounds } from './column-bounds.ts'
import { allParts, findField, type Field, type PrimitiveType, type StructType } from './schema.ts'
import { applyTransform, type PartitionTerm, resultType, type Transform } from './transform.ts'
import { compareValues, type Value } from './values.ts'

/** One field of a partition, in the form that tables have it. */
export interface PartitionField {
  readonly 'source-id': number
  readonly 'field-id': number
  readonly name: string
  readonly transform: Transform
}

export interface PartitionSpec {
  readonly 'spec-id': number
  readonly fields: readonly PartitionField[]
}

/** A partition's value for each field of a spec. */
export type PartitionTuple = readonly (Value | null)[]

/** Ids of partition fields begin behind this. */
export const NO_PARTITION_ID = 999

/** The specs of a table after it is to be partitioned by some terms, and which of them files are added under. */
export interface Specs {
  readonly all: readonly PartitionSpec[]
  readonly defaultId: number
  readonly lastPartitionId: number
}

/**
 * A table's specs with the one of these terms among them, which is the default. What is there already is used again, ids of fields too.
 * @throws MillpondError `CONFIG_INVALID` for a column that is not there, or has no such transform.
 */
export function specsFor(known: Specs, schema: StructType, terms: readonly PartitionTerm[]): Specs {
  const { specs, id } = addSpec(known, schema, terms)
  return { ...specs, defaultId: id }
}

function addSpec(known: Specs, schema: StructType, terms: readonly PartitionTerm[]): { specs: Specs; id: number } {
  let { lastPartitionId } = known
  const used = known.all.flatMap(({ fields }) => fields)
  const fields = terms.map((term): PartitionField => {
    const { transform } = term
    const source = sourceOf(schema, term)
    const before = used.find((field) => field['source-id'] === source.id && field.transform === transform)
    return before ?? { 'source-id': source.id, 'field-id': ++lastPartitionId, name: nameOf(schema, term), transform }
  })
  const same = known.all.find((spec) => JSON.stringify(spec.fields.map(essence)) === JSON.stringify(fields.map(essence)))
  if (same !== undefined) return { specs: known, id: same['spec-id'] }
  const id = Math.max(-1, ...known.all.map((spec) => spec['spec-id'])) + 1
  return { specs: { ...known, all: [...known.all, { 'spec-id': id, fields }], lastPartitionId }, id }
}

const essence = ({ 'source-id': source, transform }: PartitionField) => [source, transform]

function sourceOf(schema: StructType, { transform, column }: PartitionTerm): Field {
  const field = findField(schema, column)
  if (field === undefined) {
    const names = schema.fields.map(({ name }) => name)
    const near = nearest(column, names)
    const hint = near === undefined ? `; it has ${names.join(', ')}` : `; did you mean ${near}?`
    throw new MillpondError('CONFIG_INVALID', `a table cannot be partitioned by ${column}: it has no such column${hint}`, {
      details: { column },
    })
  }
  resultType(transform, field.type, column)
  return field
}

/** A name that no column has, as other engines give it: `timestamp_day`, `key_bucket`. */
function nameOf(schema: StructType, { transform, column }: PartitionTerm): string {
  if (transform === 'identity') return column
  const kind = transform.replace(/\[.*/u, '').replace('truncate', 'trunc')
  let name = `${column}_${kind}`
  while (schema.fields.some((field) => field.name === name)) name += '_'
  return name
}

/** The types of the values of a partition. A column that is gone has the type that it had in another schema. */
export function partitionTypes(spec: PartitionSpec, schemas: readonly StructType[]): PrimitiveType[] {
  return spec.fields.map((field) => {
    // The newest schema that has the column: its type is the widest.
    const source = schemas
      .toReversed()
      .flatMap((schema) => [...allParts(schema)])
      .find(({ id }) => id === field['source-id'])
    if (source === undefined)
      throw new MillpondError('TABLE_CORRUPT', `partition field ${field.name} comes of a column that no schema has`)
    return resultType(field.transform, source.type, source.name)
  })
}

/** The partition that all rows of a file lie in, by the bounds of its columns; undefined where they lie in several, or nothing says so. */
export function partitionOf(spec: PartitionSpec, bounds: ReadonlyMap<number, ColumnBounds>): PartitionTuple | undefined {
  const tuple: (Value | null)[] = []
  for (const field of spec.fields) {
    const value = commonValue(field.transform, bounds.get(field['source-id']))
    if (value === undefined) return undefined
    tuple.push(value)
  }
  return tuple
}

function commonValue(transform: Transform, bounds: ColumnBounds | undefined): Value | null | undefined {
  // A column that the file does not have is null in all its rows.
  if (transform === 'void' || bounds === undefined) return null
  const { type, nulls, values, min, max } = bounds
  if (nulls === values) return null
  if (nulls !== 0 || min === undefined || max === undefined) return undefined
  // Hashes have no order; of what keeps the order, all between two equal values is equal to them.
  if (transform.startsWith('bucket') && compareValues(min, max) !== 0) return undefined
  const [first, last] = [applyTransform(transform, type, min), applyTransform(transform, type, max)]
  return compareValues(first, last) === 0 ? first : undefined
}
