import { MillpondError } from '../errors.ts'
import { Output } from '../values/avro/output.ts'
import type { Long } from './long-json.ts'

/** A schema of Avro, as far as manifests have them. */
export type AvroSchema =
  | string
  | readonly AvroSchema[]
  | { readonly type: 'record'; readonly name: string; readonly fields: readonly AvroField[] }
  | { readonly type: 'array'; readonly items: AvroSchema }
  | { readonly type: 'map'; readonly values: AvroSchema }
  | { readonly type: 'fixed'; readonly name: string; readonly size: number }
  | { readonly type: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly type: AvroSchema }

export interface AvroField {
  readonly name: string
  readonly type: AvroSchema
  readonly 'field-id'?: number
}

/** What is written: null or undefined for the null of a union, records as objects by name. */
export type AvroValue =
  | null
  | undefined
  | boolean
  | Long
  | string
  | Uint8Array
  | readonly AvroValue[]
  | { readonly [name: string]: AvroValue }

/** Appends values in Avro's binary encoding. Source: Apache Avro 1.12 specification, "Binary encoding", read 2026-11. */
export class AvroEncoder {
  readonly #output = new Output()

  /** Bytes so far. */
  get length(): number {
    return this.#output.used
  }

  /** @throws MillpondError `INTERNAL` where the value is none of the schema. */
  value(schema: AvroSchema, value: AvroValue): void {
    if (typeof schema === 'string') this.#primitive(schema, value)
    else if (isUnion(schema)) this.#union(schema, value)
    else this.#complex(schema, value)
  }

  /** What was appended so far. */
  build(): Uint8Array {
    return this.#output.written()
  }

  #union([first, second]: readonly AvroSchema[], value: AvroValue): void {
    const isNull = value === null || value === undefined
    this.#output.writeLong(isNull ? 0 : 1)
    if (first !== 'null' || second === undefined) throw unfit('a union that does not begin with null', value)
    if (!isNull) this.value(second, value)
  }

  #complex(schema: Exclude<AvroSchema, string | readonly AvroSchema[]>, value: AvroValue): void {
    if ('fields' in schema)
      for (const field of schema.fields) this.value(field.type, (value as Record<string, AvroValue>)[field.name])
    else if ('items' in schema) this.#array(schema.items, value)
    else if ('size' in schema) this.#output.copy(value as Uint8Array)
    else this.value(schema.type, value)
  }

  #array(items: AvroSchema, value: AvroValue): void {
    if (!Array.isArray(value)) throw unfit('array', value)
    if (value.length > 0) this.#output.writeLong(value.length)
    for (const item of value as readonly AvroValue[]) this.value(items, item)
    this.#output.writeLong(0)
  }

  #primitive(type: string, value: AvroValue): void {
    if (type === 'int' || type === 'long') {
      if (typeof value !== 'number' && typeof value !== 'bigint') throw unfit(type, value)
      this.#output.writeLong(value)
    } else if (type === 'string' && typeof value === 'string') this.#output.writeText(value)
    else if (type === 'bytes' && value instanceof Uint8Array) this.#output.writeSized(value)
    else if (type === 'boolean') this.#output.writeByte(value === true ? 1 : 0)
    else if (type === 'float') this.#output.writeFloat(Number(value))
    else if (type === 'double') this.#output.writeDouble(Number(value))
    else throw unfit(type, value)
  }
}

/** Whether a schema is a union. */
export const isUnion = (schema: AvroSchema): schema is readonly AvroSchema[] => Array.isArray(schema)

const unfit = (type: string, value: unknown) => new MillpondError('INTERNAL', `no Avro ${type} can be made of ${typeof value}`)
