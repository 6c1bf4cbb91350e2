import { MillpondError } from '../errors.ts'
import { type AvroSchema, isUnion } from './avro-encode.ts'
import type { Long } from './long-json.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const MAX_LONG_BYTES = 10

/** Reads values in Avro's binary encoding; trusts no length. What does not fit is `TABLE_CORRUPT`. */
export class AvroDecoder {
  readonly #bytes: Uint8Array
  #at: number
  readonly #named: ReadonlyMap<string, AvroSchema>

  /** `named` are the types that the schema of what is read calls by their names. */
  constructor(bytes: Uint8Array, start = 0, named: ReadonlyMap<string, AvroSchema> = new Map()) {
    this.#bytes = bytes
    this.#at = start
    this.#named = named
  }

  /** Where the next value begins. */
  get at(): number {
    return this.#at
  }

  /** The bytes that come next. */
  take(bytes: number): Uint8Array {
    if (bytes < 0 || this.#at + bytes > this.#bytes.byteLength) throw corrupt('it ends within a value')
    this.#at += bytes
    return this.#bytes.subarray(this.#at - bytes, this.#at)
  }

  /** A number of bytes or records that are not negative. */
  count(): number {
    const value = this.#long()
    if (typeof value === 'bigint' || value < 0) throw corrupt('a count is negative or too large')
    return value
  }

  /** The notes of a container file's header. */
  metadata(): Map<string, string> {
    const entries = new Map<string, string>()
    this.#items(() => entries.set(this.#text(), Buffer.from(this.take(this.count())).toString('utf8')))
    return entries
  }

  /** A value of the schema: records as objects by field id, or by name where a field has none; maps as objects. */
  value(schema: AvroSchema): unknown {
    if (typeof schema === 'string') return this.#primitive(schema)
    if (isUnion(schema)) {
      const branch = schema[this.count()]
      if (branch === undefined) throw corrupt('a union has no such branch')
      return this.value(branch)
    }
    if ('fields' in schema)
      return Object.fromEntries(schema.fields.map((field) => [String(field['field-id'] ?? field.name), this.value(field.type)]))
    if ('items' in schema) return this.#list(schema.items)
    if ('values' in schema) return this.#map(schema.values)
    if ('size' in schema) return this.take(schema.size)
    return 'symbols' in schema ? schema.symbols[this.count()] : this.value(schema.type)
  }

  #list(items: AvroSchema): unknown[] {
    const list: unknown[] = []
    this.#items(() => list.push(this.value(items)))
    return list
  }

  #map(values: AvroSchema): Record<string, unknown> {
    const entries: [string, unknown][] = []
    this.#items(() => entries.push([this.#text(), this.value(values)]))
    return Object.fromEntries(entries)
  }

  #items(item: () => unknown): void {
    for (let count = this.#long(); count !== 0; count = this.#long()) {
      if (count < 0) this.#long()
      for (let left = Math.abs(Number(count)); left > 0; left--) item()
    }
  }

  #primitive(type: string): unknown {
    if (type === 'null') return null
    if (type === 'boolean') return this.take(1)[0] === 1
    if (type === 'int' || type === 'long') return this.#long()
    if (type === 'string') return this.#text()
    if (type === 'bytes') return this.take(this.count())
    if (type === 'float') return Buffer.from(this.take(4)).readFloatLE()
    if (type === 'double') return Buffer.from(this.take(8)).readDoubleLE()
    const named = this.#named.get(type)
    if (named === undefined) throw corrupt(`the type ${type} is not known`)
    return this.value(named)
  }

  #text(): string {
    return utf8.decode(this.take(this.count()))
  }

  #long(): Long {
    let value = 0n
    for (let i = 0n; i < MAX_LONG_BYTES; i++) {
      const byte = this.take(1)[0]!
      value |= BigInt(byte & 127) << (7n * i)
      if (byte >= 128) continue
      const whole = BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
      const number = Number(whole)
      return Number.isSafeInteger(number) ? number : whole
    }
    throw corrupt('a number is longer than 10 bytes')
  }
}

/** All types of a schema that have a name. */
export function namedTypes(schema: AvroSchema, named = new Map<string, AvroSchema>()): Map<string, AvroSchema> {
  if (typeof schema === 'string') return named
  if (isUnion(schema)) {
    for (const branch of schema) namedTypes(branch, named)
    return named
  }
  if ('name' in schema) named.set(schema.name, schema)
  if ('fields' in schema) for (const field of schema.fields) namedTypes(field.type, named)
  else if ('items' in schema) namedTypes(schema.items, named)
  else if ('values' in schema) namedTypes(schema.values, named)
  else if (!('size' in schema) && !('symbols' in schema)) namedTypes(schema.type, named)
  return named
}

const corrupt = (what: string) => new MillpondError('TABLE_CORRUPT', what)
