import { MillpondError } from '../errors.ts'

/** What a value of an Avro schema is; types that are named once and used again are the same object, so that a recursive one holds itself. */
export type AvroType =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean' | 'int' | 'long' | 'float' | 'double'; readonly logical?: string }
  | { readonly kind: 'bytes' | 'string'; readonly logical?: string; readonly decimal?: AvroDecimal }
  | {
      readonly kind: 'fixed'
      readonly name: string
      readonly size: number
      readonly logical?: string
      readonly decimal?: AvroDecimal
    }
  | { readonly kind: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly kind: 'array'; items: AvroType }
  | { readonly kind: 'map'; values: AvroType }
  | { readonly kind: 'union'; branches: readonly AvroType[] }
  | { readonly kind: 'record'; readonly name: string; fields: readonly AvroField[] }

/** Digits of a decimal, and how many of them lie behind its point. */
export interface AvroDecimal {
  readonly precision: number
  readonly scale: number
}

/** A field of a record. */
export interface AvroField {
  readonly name: string
  readonly type: AvroType
}

const simpleKinds = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const
type SimpleKind = (typeof simpleKinds)[number]
const isSimple = (name: string): name is SimpleKind => (simpleKinds as readonly string[]).includes(name)

/** The least that a value of the type takes, 0 or 1 byte: enough to see that a count cannot be right. */
export const leastBytes = ({ kind }: AvroType): number => (kind === 'null' || kind === 'record' || kind === 'fixed' ? 0 : 1)

type Json = Readonly<Record<string, unknown>>

/** The type that the text of a schema describes. Source: Apache Avro 1.12 specification. @throws MillpondError `FORMAT_UNSUPPORTED`. */
export function parseAvroSchema(text: string): AvroType {
  let schema: unknown
  try {
    schema = JSON.parse(text)
  } catch (error) {
    throw new MillpondError('FORMAT_UNSUPPORTED', 'an Avro schema is no JSON', { cause: error })
  }
  return typeOf(schema, { named: new Map(), namespace: '' })
}

interface Scope {
  readonly named: Map<string, AvroType>
  readonly namespace: string
}

function typeOf(schema: unknown, scope: Scope): AvroType {
  if (typeof schema === 'string') return namedType(schema, scope)
  if (Array.isArray(schema)) return { kind: 'union', branches: schema.map((branch) => typeOf(branch, scope)) }
  if (typeof schema !== 'object' || schema === null) throw unsupported(`an Avro schema has ${String(schema)} for a type`)
  return complexType(schema as Json, scope)
}

function namedType(name: string, { named, namespace }: Scope): AvroType {
  if (isSimple(name)) return { kind: name }
  const type = named.get(fullName(name, namespace)) ?? named.get(name)
  if (type === undefined) throw unsupported(`an Avro schema names ${name}, which it does not define`)
  return type
}

const fullName = (name: string, namespace: string) => (name.includes('.') || namespace === '' ? name : `${namespace}.${name}`)

function complexType(schema: Json, scope: Scope): AvroType {
  const { type } = schema
  if (typeof type !== 'string') return typeOf(type, scope)
  const logical = typeof schema['logicalType'] === 'string' ? { logical: schema['logicalType'] } : {}
  const decimal = decimalOf(schema)
  if (type === 'bytes' || type === 'string') return { kind: type, ...logical, ...(decimal && { decimal }) }
  if (type === 'null') return { kind: type }
  if (isSimple(type)) return { kind: type, ...logical }
  if (type === 'array') return { kind: 'array', items: typeOf(schema['items'], scope) }
  if (type === 'map') return { kind: 'map', values: typeOf(schema['values'], scope) }
  if (type !== 'record' && type !== 'error' && type !== 'enum' && type !== 'fixed') return namedType(type, scope)
  if (typeof schema['name'] !== 'string') throw unsupported(`an Avro schema has a ${type} without a name`)
  const own = typeof schema['namespace'] === 'string' ? schema['namespace'] : scope.namespace
  const name = fullName(schema['name'], own)
  const inner = { ...scope, namespace: name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : '' }
  return definedType(type, schema, { name, inner, logical, decimal })
}

interface Definition {
  readonly name: string
  readonly inner: Scope
  readonly logical: { readonly logical?: string }
  readonly decimal: AvroDecimal | undefined
}

function definedType(type: string, schema: Json, { name, inner, logical, decimal }: Definition): AvroType {
  if (type === 'enum') {
    const symbols = Array.isArray(schema['symbols']) ? schema['symbols'].map(String) : []
    return define(inner, { kind: 'enum', name, symbols })
  }
  if (type === 'fixed') {
    const size = Number(schema['size'])
    if (!Number.isSafeInteger(size) || size < 0) throw unsupported(`${name} is fixed to ${String(schema['size'])} bytes`)
    return define(inner, { kind: 'fixed', name, size, ...logical, ...(decimal && { decimal }) })
  }
  if (!Array.isArray(schema['fields'])) throw unsupported(`the record ${name} has no fields`)
  const record: AvroType & { kind: 'record' } = { kind: 'record', name, fields: [] }
  define(inner, record)
  record.fields = schema['fields'].map((field: Json) => ({ name: String(field['name']), type: typeOf(field['type'], inner) }))
  return record
}

function define<T extends AvroType & { readonly name: string }>({ named }: Scope, type: T): T {
  named.set(type.name, type)
  return type
}

/** Precisions that engines read. */
const MAX_PRECISION = 38

function decimalOf({ logicalType, precision, scale = 0 }: Json): AvroDecimal | undefined {
  if (logicalType !== 'decimal' || typeof precision !== 'number' || typeof scale !== 'number') return undefined
  const isDecimal =
    Number.isSafeInteger(precision) && precision >= 1 && precision <= MAX_PRECISION && scale >= 0 && scale <= precision
  return isDecimal ? { precision, scale } : undefined
}

const unsupported = (what: string) => new MillpondError('FORMAT_UNSUPPORTED', what)
