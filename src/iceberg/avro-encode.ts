import { MillpondError } from '../errors.ts'
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
  #bytes = Buffer.allocUnsafe(4096)
  #used = 0

  /** Bytes so far. */
  get length(): number {
    return this.#used
  }

  long(value: Long): void {
    const whole = BigInt(value)
    let rest = BigInt.asUintN(64, (whole << 1n) ^ (whole >> 63n))
    this.#reserve(10)
    for (; rest >= 128n; rest >>= 7n) this.#bytes[this.#used++] = Number(rest & 127n) | 128
    this.#bytes[this.#used++] = Number(rest)
  }

  text(value: string): void {
    this.#sized(Buffer.from(value))
  }

  /** @throws MillpondError `INTERNAL` where the value is none of the schema. */
  value(schema: AvroSchema, value: AvroValue): void {
    if (typeof schema === 'string') this.#primitive(schema, value)
    else if (isUnion(schema)) this.#union(schema, value)
    else this.#complex(schema, value)
  }

  /** What was appended so far. */
  build(): Buffer {
    return this.#bytes.subarray(0, this.#used)
  }

  #union([first, second]: readonly AvroSchema[], value: AvroValue): void {
    const isNull = value === null || value === undefined
    this.long(isNull ? 0 : 1)
    if (first !== 'null' || second === undefined) throw unfit('a union that does not begin with null', value)
    if (!isNull) this.value(second, value)
  }

  #complex(schema: Exclude<AvroSchema, string | readonly AvroSchema[]>, value: AvroValue): void {
    if ('fields' in schema)
      for (const field of schema.fields) this.value(field.type, (value as Record<string, AvroValue>)[field.name])
    else if ('items' in schema) this.#array(schema.items, value)
    else if ('size' in schema) this.#raw(value as Uint8Array)
    else this.value(schema.type, value)
  }

  #array(items: AvroSchema, value: AvroValue): void {
    if (!Array.isArray(value)) throw unfit('array', value)
    if (value.length > 0) this.long(value.length)
    for (const item of value as readonly AvroValue[]) this.value(items, item)
    this.long(0)
  }

  #primitive(type: string, value: AvroValue): void {
    if (type === 'int' || type === 'long') {
      if (typeof value !== 'number' && typeof value !== 'bigint') throw unfit(type, value)
      this.long(value)
    } else if (type === 'string' && typeof value === 'string') this.text(value)
    else if (type === 'bytes' && value instanceof Uint8Array) this.#sized(value)
    else if (type === 'boolean') this.#raw(Uint8Array.of(value === true ? 1 : 0))
    else if (type === 'float' || type === 'double') this.#float(type, Number(value))
    else throw unfit(type, value)
  }

  #float(type: 'float' | 'double', value: number): void {
    const bytes = Buffer.alloc(type === 'float' ? 4 : 8)
    if (type === 'float') bytes.writeFloatLE(value)
    else bytes.writeDoubleLE(value)
    this.#raw(bytes)
  }

  #sized(bytes: Uint8Array): void {
    this.long(bytes.byteLength)
    this.#raw(bytes)
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength)
    this.#bytes.set(bytes, this.#used)
    this.#used += bytes.byteLength
  }

  #reserve(extra: number): void {
    if (this.#used + extra <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#used + extra, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = grown
  }
}

/** Whether a schema is a union. */
export const isUnion = (schema: AvroSchema): schema is readonly AvroSchema[] => Array.isArray(schema)

const unfit = (type: string, value: unknown) => new MillpondError('INTERNAL', `no Avro ${type} can be made of ${typeof value}`)
