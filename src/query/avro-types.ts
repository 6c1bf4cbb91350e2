import type { AvroType } from '../values/avro/schema.ts'
import { type ColumnType, structOf, type ValueColumn } from './value-types.ts'

/** Values that nest deeper are JSON. */
const MAX_DEPTH = 16

/** The columns that values of an Avro schema have: the fields of a record, and for anything else one that is called `value`. */
export function avroColumns(type: AvroType): readonly ValueColumn[] {
  if (type.kind !== 'record') return [{ name: 'value', type: avroColumnType(type) }]
  return type.fields.map(({ name, type: field }) => ({ name, type: avroColumnType(field, [type]) }))
}

/** What cells of an Avro type are; records that hold themselves are JSON. */
export function avroColumnType(type: AvroType, within: readonly AvroType[] = []): ColumnType {
  if (type.kind === 'union') return unionType(type.branches, within)
  if (type.kind === 'array') return { kind: 'list', items: avroColumnType(type.items, within) }
  if (type.kind === 'map') return { kind: 'map', values: avroColumnType(type.values, within) }
  if (type.kind !== 'record') return scalarType(type)
  if (within.includes(type) || within.length >= MAX_DEPTH) return { kind: 'json' }
  return structOf(type.fields.map(({ name, type: field }) => ({ name, type: avroColumnType(field, [...within, type]) })))
}

function unionType(branches: readonly AvroType[], within: readonly AvroType[]): ColumnType {
  const some = branches.filter(({ kind }) => kind !== 'null')
  if (some.length === 0) return { kind: 'null' }
  if (some.length === 1) return avroColumnType(some[0]!, within)
  return structOf(some.map((branch) => ({ name: branchName(branch), type: avroColumnType(branch, within) })))
}

/** What a branch of a union of several types is called: its type, without a namespace. */
export const branchName = (type: AvroType): string => {
  const name = 'name' in type ? type.name : type.kind
  return name.slice(name.lastIndexOf('.') + 1)
}

type ScalarAvro = Exclude<AvroType, { readonly kind: 'union' | 'array' | 'map' | 'record' }>

/** Logical types by what they stand on; others mean nothing here, as the specification wants it. */
const logicals: Readonly<Partial<Record<string, ColumnType['kind']>>> = {
  'int date': 'date',
  'int time-millis': 'time',
  'long time-micros': 'time',
  'long timestamp-millis': 'moment',
  'long timestamp-micros': 'moment',
  'long timestamp-nanos': 'nanos',
  'long local-timestamp-millis': 'timestamp',
  'long local-timestamp-micros': 'timestamp',
  'long local-timestamp-nanos': 'nanos',
  'string uuid': 'uuid',
}

function scalarType(type: ScalarAvro): ColumnType {
  if (type.kind === 'enum') return { kind: 'text' }
  const { logical: meant } = type
  if (meant?.name === 'decimal') return { kind: 'decimal', precision: meant.precision, scale: meant.scale }
  if (type.kind === 'fixed' && meant?.name === 'uuid' && type.size === 16) return { kind: 'uuid' }
  if (type.kind === 'fixed' || type.kind === 'bytes') return { kind: 'blob' }
  if (type.kind === 'null') return { kind: 'null' }
  const logical = logicals[`${type.kind} ${meant?.name ?? ''}`]
  if (logical !== undefined) return { kind: logical } as ColumnType
  return { kind: type.kind === 'string' ? 'text' : type.kind }
}

/** How many of a logical type's units a second has; 1 for what is no time. */
export function unitsPerSecond(type: AvroType): bigint {
  const logical = ('logical' in type ? type.logical?.name : undefined) ?? ''
  if (logical.endsWith('-millis')) return 1000n
  if (logical.endsWith('-micros')) return 1_000_000n
  return logical.endsWith('-nanos') ? 1_000_000_000n : 1n
}
