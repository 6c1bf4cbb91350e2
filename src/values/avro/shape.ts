import { MillpondError } from '../../errors.ts'
import type { RecordShape, ScalarKind, Shape } from '../shape.ts'
import type { AvroLogical, AvroRecord, AvroType } from './schema.ts'

/** A record of the type: itself, or one whose field `value` it is. */
export const recordOf = (type: AvroType): AvroRecord =>
  type.kind === 'record'
    ? type
    : { kind: 'record', name: 'value', aliases: [], fields: [{ name: 'value', type, aliases: [], standard: undefined }] }

/** The shape of data of a record. @throws MillpondError `SCHEMA_INVALID` where fields or branches have the same name. */
export const avroShape = (record: AvroRecord): RecordShape => recordShape(record, [])

const recordShape = (record: AvroRecord, within: readonly AvroRecord[]): RecordShape => ({
  kind: 'record',
  fields: distinct(
    record.fields.map(({ name, type }) => [name, shapeOf(type, [...within, record])]),
    `record ${record.name}`,
  ),
  isOpen: false,
  isRequired: true,
})

function distinct(entries: readonly (readonly [string, Shape])[], where: string): ReadonlyMap<string, Shape> {
  const shapes = new Map(entries)
  if (shapes.size === entries.length) return shapes
  throw new MillpondError('SCHEMA_INVALID', `an Avro schema cannot be read: ${where} has two parts of the same name`)
}

function shapeOf(type: AvroType, within: readonly AvroRecord[]): Shape {
  switch (type.kind) {
    case 'record':
      // One that holds itself has no end.
      return within.includes(type) ? { kind: 'json', isRequired: true } : recordShape(type, within)
    case 'union':
      return unionShape(type.branches, within)
    case 'array':
      return { kind: 'list', items: shapeOf(type.items, within), isRequired: true }
    case 'map':
      return { kind: 'map', items: shapeOf(type.values, within), isRequired: true }
    case 'null':
      return { kind: 'nothing' }
    case 'enum':
      return { kind: 'string', isRequired: true }
    case 'boolean':
    case 'float':
    case 'double':
      return { kind: type.kind, isRequired: true }
    case 'int':
      return { kind: INTS[type.logical?.name ?? ''] ?? 'int32', isRequired: true }
    case 'long':
      return { ...longShape(type.logical), isRequired: true }
    case 'string':
      return { kind: type.logical?.name === 'uuid' ? 'uuid' : 'string', isRequired: true }
    case 'bytes':
      return { ...(decimalShape(type.logical, undefined) ?? { kind: 'bytes' }), isRequired: true }
    case 'fixed':
      return { ...fixedShape(type.size, type.logical), isRequired: true }
    default:
      throw new TypeError(`no type ${String(type satisfies never)}`)
  }
}

const INTS: Readonly<Partial<Record<string, ScalarKind>>> = { date: 'date', 'time-millis': 'time' }

function longShape(logical: AvroLogical | undefined): Shape {
  if (logical?.name === 'time-micros') return { kind: 'time' }
  const found = /^(local-)?timestamp-(millis|micros|nanos)$/u.exec(logical?.name ?? '')
  if (found === null) return { kind: 'int' }
  return { kind: 'timestamp', unit: found[2] === 'nanos' ? 'nanos' : 'micros', isUtc: found[1] === undefined }
}

function fixedShape(size: number, logical: AvroLogical | undefined): Shape {
  if (size === 0) return { kind: 'bytes' }
  if (logical?.name === 'uuid' && size === UUID_BYTES) return { kind: 'uuid' }
  return (size <= MAX_DECIMAL_BYTES ? decimalShape(logical, size) : undefined) ?? { kind: 'fixed', size }
}

const UUID_BYTES = 16
/** Digits of decimals that engines read, and what they take. */
const MAX_PRECISION = 38
/** What so many digits take. */
export const MAX_DECIMAL_BYTES = 16

function decimalShape(logical: AvroLogical | undefined, size: number | undefined): Shape | undefined {
  if (logical?.name !== 'decimal' || logical.precision > MAX_PRECISION) return undefined
  return { kind: 'decimal', precision: logical.precision, scale: logical.scale, size }
}

function unionShape(branches: readonly AvroType[], within: readonly AvroRecord[]): Shape {
  const values = branches.filter(({ kind }) => kind !== 'null')
  const isRequired = values.length === branches.length
  const [only, ...more] = values
  if (only === undefined) return { kind: 'nothing' }
  if (more.length === 0) return { ...shapeOf(only, within), isRequired }
  const names = branchNames(values)
  const members = values.map((type, i) => [names[i]!, { ...shapeOf(type, within), isRequired: false }] as const)
  return { kind: 'choice', members: distinct(members, 'a union'), isRequired }
}

/** Short names of types, whole ones where those are not told apart. */
function branchNames(types: readonly AvroType[]): string[] {
  const whole = types.map((type) => ('name' in type ? type.name : type.kind))
  const short = whole.map((name) => name.slice(name.lastIndexOf('.') + 1))
  return short.map((name, i) => (short.indexOf(name) === short.lastIndexOf(name) ? name : whole[i]!))
}
