/** Avro schemas as types that point at one another. Source: Apache Avro 1.12.0 specification, "Schema Declaration", read 2026-11. */
import { MillpondError } from '../../errors.ts'

/** Types without parts of their own. */
export type AvroPrimitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'

/** What a type means beside how it is encoded; unknown ones, and those that do not fit their type, are left out. */
export interface AvroLogical {
  readonly name: string
  /** Digits behind the point, of `decimal`. */
  readonly scale: number
  readonly precision: number
}

/** A field of a record. */
export interface AvroField {
  readonly name: string
  readonly type: AvroType
  readonly aliases: readonly string[]
  /** As JSON; undefined where there is none. */
  readonly standard: unknown
}

/** A record; its fields come while the schema is read, for they may hold the record itself. */
export interface AvroRecord {
  readonly kind: 'record'
  readonly name: string
  readonly aliases: readonly string[]
  readonly fields: AvroField[]
}

/** A type of an Avro schema. Names are whole: with their namespace. */
export type AvroType =
  | { readonly kind: AvroPrimitive; readonly logical: AvroLogical | undefined }
  | {
      readonly kind: 'fixed'
      readonly name: string
      readonly aliases: readonly string[]
      readonly size: number
      readonly logical: AvroLogical | undefined
    }
  | {
      readonly kind: 'enum'
      readonly name: string
      readonly aliases: readonly string[]
      readonly symbols: readonly string[]
      /** What stands for symbols that a reader does not know. */
      readonly standard: string | undefined
    }
  | { readonly kind: 'array'; readonly items: AvroType }
  | { readonly kind: 'map'; readonly values: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | AvroRecord

const PRIMITIVES: ReadonlySet<string> = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'])

/** Which types a logical type may stand on. */
const LOGICALS: Readonly<Partial<Record<string, readonly string[]>>> = {
  decimal: ['bytes', 'fixed'],
  'big-decimal': ['bytes'],
  uuid: ['string', 'fixed'],
  date: ['int'],
  'time-millis': ['int'],
  'time-micros': ['long'],
  'timestamp-millis': ['long'],
  'timestamp-micros': ['long'],
  'timestamp-nanos': ['long'],
  'local-timestamp-millis': ['long'],
  'local-timestamp-micros': ['long'],
  'local-timestamp-nanos': ['long'],
  duration: ['fixed'],
}

type Named = Extract<AvroType, { readonly name: string }>

interface Reading {
  readonly names: Map<string, Named>
  readonly namespace: string
}

/**
 * Reads a schema; `known` are the texts of those that it refers to, the most basic first.
 * @throws MillpondError `SCHEMA_INVALID`.
 */
export function parseAvroSchema(text: string, known: readonly string[] = []): AvroType {
  const names = new Map<string, Named>()
  for (const other of known) readType(schemaJson(other), { names, namespace: '' })
  return readType(schemaJson(text), { names, namespace: '' })
}

/** Whether the text is the name of a type without quotes, which is a schema but no JSON. */
export const isBareName = (text: string): boolean => /^[A-Za-z_][\w.]*$/u.test(text.trim())

/** A schema's JSON; the bare name of a type is seen without its quotes too. @throws MillpondError `SCHEMA_INVALID`. */
export function schemaJson(text: string): unknown {
  if (isBareName(text)) return text.trim()
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MillpondError('SCHEMA_INVALID', 'an Avro schema is no JSON', { cause })
  }
}

function readType(schema: unknown, reading: Reading): AvroType {
  if (typeof schema === 'string') return readName(schema, reading)
  if (Array.isArray(schema)) return { kind: 'union', branches: readBranches(schema, reading) }
  if (typeof schema !== 'object' || schema === null) throw invalid(`${JSON.stringify(schema)} is no type`)
  const { type } = schema as { readonly type?: unknown }
  if (typeof type !== 'string') return readType(type, reading)
  switch (type) {
    case 'record':
    case 'error':
      return readRecord(schema, reading)
    case 'enum':
      return readEnum(schema, reading)
    case 'fixed':
      return readFixed(schema, reading)
    case 'array':
      return { kind: 'array', items: readType((schema as { items?: unknown }).items, reading) }
    case 'map':
      return { kind: 'map', values: readType((schema as { values?: unknown }).values, reading) }
    default:
      if (!PRIMITIVES.has(type)) return readName(type, reading)
      return { kind: type as AvroPrimitive, logical: logicalOf(schema, type) }
  }
}

function readBranches(schemas: readonly unknown[], reading: Reading): AvroType[] {
  const branches = schemas.map((schema) => readType(schema, reading))
  if (branches.some(({ kind }) => kind === 'union')) throw invalid('a union holds a union')
  return branches
}

function readName(name: string, { names, namespace }: Reading): AvroType {
  if (PRIMITIVES.has(name)) return { kind: name as AvroPrimitive, logical: undefined }
  // Some writers leave the namespace out where a name has none.
  const found = names.get(wholeName(name, namespace)) ?? names.get(name)
  if (found === undefined) throw invalid(`type ${name} is not defined`)
  return found
}

const wholeName = (name: string, namespace: string): string =>
  name.includes('.') || namespace === '' ? name.replace(/^\./u, '') : `${namespace}.${name}`

/** What named types have in common. */
function readNaming(schema: object, namespace: string) {
  const {
    name,
    namespace: own,
    aliases,
  } = schema as { readonly name?: unknown; readonly namespace?: unknown; readonly aliases?: unknown }
  if (typeof name !== 'string' || name === '') throw invalid('a record, an enum or a fixed has no name')
  const whole = wholeName(name, typeof own === 'string' ? own : namespace)
  const within = whole.includes('.') ? whole.slice(0, whole.lastIndexOf('.')) : ''
  return { name: whole, within, aliases: texts(aliases).map((alias) => wholeName(alias, within)) }
}

function define<T extends Named>(type: T, { names }: Reading): T {
  if (names.has(type.name)) throw invalid(`type ${type.name} is defined twice`)
  names.set(type.name, type)
  return type
}

function readRecord(schema: object, reading: Reading): AvroType {
  const { name, within, aliases } = readNaming(schema, reading.namespace)
  const { fields } = schema as { readonly fields?: unknown }
  if (!Array.isArray(fields)) throw invalid(`record ${name} has no fields`)
  const record = define<AvroRecord>({ kind: 'record', name, aliases, fields: [] }, reading)
  const inside = { names: reading.names, namespace: within }
  for (const field of fields) {
    const { name: fieldName, type, default: standard, aliases: others } = (field ?? {}) as Record<string, unknown>
    if (typeof fieldName !== 'string') throw invalid(`a field of record ${name} has no name`)
    record.fields.push({ name: fieldName, type: readType(type, inside), aliases: texts(others), standard })
  }
  return record
}

function readEnum(schema: object, reading: Reading): AvroType {
  const { name, aliases } = readNaming(schema, reading.namespace)
  const { symbols, default: standard } = schema as { readonly symbols?: unknown; readonly default?: unknown }
  if (!Array.isArray(symbols)) throw invalid(`enum ${name} has no symbols`)
  return define(
    { kind: 'enum', name, aliases, symbols: texts(symbols), standard: typeof standard === 'string' ? standard : undefined },
    reading,
  )
}

function readFixed(schema: object, reading: Reading): AvroType {
  const { name, aliases } = readNaming(schema, reading.namespace)
  const { size } = schema as { readonly size?: unknown }
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) throw invalid(`fixed ${name} has no size`)
  return define({ kind: 'fixed', name, aliases, size, logical: logicalOf(schema, 'fixed') }, reading)
}

function logicalOf(schema: object, type: string): AvroLogical | undefined {
  const { logicalType: name, precision, scale = 0 } = schema as Record<string, unknown>
  if (typeof name !== 'string' || LOGICALS[name]?.includes(type) !== true) return undefined
  if (name !== 'decimal') return { name, precision: 0, scale: 0 }
  const isWhole = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0
  const isDecimal = isWhole(precision) && isWhole(scale) && precision >= Math.max(1, scale)
  return isDecimal ? { name, precision, scale } : undefined
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []

const invalid = (reason: string) => new MillpondError('SCHEMA_INVALID', `an Avro schema cannot be read: ${reason}`)
