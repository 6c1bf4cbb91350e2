import { MillpondError } from '../../errors.ts'
import { Output } from './output.ts'
import type { AvroPrimitive, AvroRecord, AvroType } from './schema.ts'

/**
 * Makes binary Avro of values in Avro's JSON encoding, in which unions name their branch: `{"string": "x"}`. Longs past 2^53 come as bigints.
 * @throws MillpondError `INPUT_INVALID` naming the field, where the value is not of the schema.
 */
export type AvroJsonEncoder = (json: unknown) => Uint8Array

/**
 * The encoder for values of a schema. All fields of a record must be there, as for Avro for Java: defaults are for readers. Source: Apache Avro
 * 1.12.0 specification, "JSON Encoding" and "Binary Encoding", read 2026-11-29.
 * @throws MillpondError `SCHEMA_INVALID` for a union whose branches have the same name.
 */
export function createAvroJsonEncoder(type: AvroType): AvroJsonEncoder {
  const write = compile(type, new Map())
  return (json) => {
    const output = new Output(FIRST_BYTES)
    write(json, { output, path: [] })
    return output.written()
  }
}

const FIRST_BYTES = 256

/** What is written so far, and which field is written now. */
interface Writing {
  readonly output: Output
  readonly path: string[]
}

type Write = (json: unknown, out: Writing) => void

/** Records that are compiled, or in the making: they can hold themselves. */
type Known = Map<AvroRecord, Write>

type JsonObject = Readonly<Record<string, unknown>>

const isObject = (json: unknown): json is JsonObject => typeof json === 'object' && json !== null && !Array.isArray(json)

function mismatch({ path }: Writing, expected: string): MillpondError {
  const where = path.length === 0 ? 'the value' : path.join('.')
  return new MillpondError('INPUT_INVALID', `${where}: expected ${expected}`)
}

const MAX_INT = 2 ** 31 - 1
const MIN_INT = -(2 ** 31)

/** A string of which each character is one byte. */
function latin1(json: unknown, out: Writing, expected: string): string {
  if (typeof json === 'string' && /^[\0-\u00ff]*$/u.test(json)) return json
  throw mismatch(out, expected)
}

const SPECIAL_NUMBERS: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity }

function floating(json: unknown, out: Writing, expected: string): number {
  const number = typeof json === 'string' ? SPECIAL_NUMBERS[json] : typeof json === 'bigint' ? Number(json) : json
  if (typeof number === 'number') return number
  throw mismatch(out, expected)
}

const primitives: Readonly<Record<AvroPrimitive, Write>> = {
  null(json, out) {
    if (json !== null) throw mismatch(out, 'null')
  },
  boolean(json, out) {
    if (typeof json !== 'boolean') throw mismatch(out, 'a boolean')
    out.output.writeByte(json ? 1 : 0)
  },
  int(json, out) {
    if (!Number.isInteger(json) || (json as number) < MIN_INT || (json as number) > MAX_INT) throw mismatch(out, 'an int')
    out.output.writeLong(json as number)
  },
  long(json, out) {
    const isLong = typeof json === 'bigint' ? BigInt.asIntN(64, json) === json : Number.isSafeInteger(json)
    if (!isLong) throw mismatch(out, 'a long')
    out.output.writeLong(json as number | bigint)
  },
  float(json, out) {
    out.output.writeFloat(floating(json, out, 'a float'))
  },
  double(json, out) {
    out.output.writeDouble(floating(json, out, 'a double'))
  },
  bytes(json, out) {
    const text = latin1(json, out, 'bytes, as a string of characters up to U+00FF')
    out.output.writeSized(Buffer.from(text, 'latin1'))
  },
  string(json, out) {
    if (typeof json !== 'string' || !json.isWellFormed()) throw mismatch(out, 'a string')
    out.output.writeText(json)
  },
}

function compile(type: AvroType, known: Known): Write {
  switch (type.kind) {
    case 'record':
      return known.get(type) ?? compileRecord(type, known)
    case 'enum':
      return compileEnum(type)
    case 'fixed':
      return compileFixed(type)
    case 'array':
      return compileArray(compile(type.items, known))
    case 'map':
      return compileMap(compile(type.values, known))
    case 'union':
      return compileUnion(type.branches, known)
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
      return primitives[type.kind]
    default:
      throw new TypeError(`no type ${String(type satisfies never)}`)
  }
}

function compileArray(write: Write): Write {
  return (json, out) => {
    if (!Array.isArray(json)) throw mismatch(out, 'an array')
    if (json.length > 0) out.output.writeLong(json.length)
    for (const [i, item] of json.entries()) {
      out.path.push(String(i))
      write(item, out)
      out.path.pop()
    }
    out.output.writeByte(0)
  }
}

function compileMap(write: Write): Write {
  return (json, out) => {
    if (!isObject(json)) throw mismatch(out, 'a map, as an object')
    const keys = Object.keys(json)
    if (keys.length > 0) out.output.writeLong(keys.length)
    for (const key of keys) {
      if (!key.isWellFormed()) throw mismatch(out, 'a map with text as keys')
      out.output.writeText(key)
      out.path.push(key)
      write(json[key], out)
      out.path.pop()
    }
    out.output.writeByte(0)
  }
}

function compileRecord(record: AvroRecord, known: Known): Write {
  const fields: { readonly name: string; readonly write: Write }[] = []
  const names = new Set(record.fields.map(({ name }) => name))
  const write: Write = (json, out) => {
    if (!isObject(json)) throw mismatch(out, `record ${record.name}, as an object`)
    for (const field of fields) {
      out.path.push(field.name)
      if (!Object.hasOwn(json, field.name)) throw mismatch(out, 'the field, which is missing')
      field.write(json[field.name], out)
      out.path.pop()
    }
    const stray = Object.keys(json).find((name) => !names.has(name))
    if (stray !== undefined) throw mismatch(out, `record ${record.name}, which has no field ${stray.slice(0, 100)}`)
  }
  known.set(record, write)
  for (const { name, type } of record.fields) fields.push({ name, write: compile(type, known) })
  return write
}

function compileEnum({ name, symbols }: Extract<AvroType, { readonly kind: 'enum' }>): Write {
  const places = new Map<unknown, number>(symbols.map((symbol, i) => [symbol, i]))
  return (json, out) => {
    const place = places.get(json)
    if (place === undefined) throw mismatch(out, `a symbol of enum ${name}`)
    out.output.writeLong(place)
  }
}

function compileFixed({ name, size }: Extract<AvroType, { readonly kind: 'fixed' }>): Write {
  const expected = `${size} bytes of fixed ${name}, as a string of characters up to U+00FF`
  return (json, out) => {
    const text = latin1(json, out, expected)
    if (text.length !== size) throw mismatch(out, expected)
    out.output.copy(Buffer.from(text, 'latin1'))
  }
}

function compileUnion(types: readonly AvroType[], known: Known): Write {
  const branches = new Map<string, { readonly index: number; readonly write: Write }>()
  for (const [index, type] of types.entries()) {
    const name = 'name' in type ? type.name : type.kind
    if (branches.has(name)) throw new MillpondError('SCHEMA_INVALID', `a union of an Avro schema has two branches ${name}`)
    branches.set(name, { index, write: compile(type, known) })
  }
  const expected = `a union, as {"<branch>": value} of ${[...branches.keys()].join(', ')}`
  return (json, out) => {
    const [name, ...others] = isObject(json) ? Object.keys(json) : json === null ? ['null'] : []
    const branch = name === undefined || others.length > 0 ? undefined : branches.get(name)
    if (branch === undefined || (name === 'null' && json !== null)) throw mismatch(out, expected)
    out.output.writeLong(branch.index)
    if (!isObject(json)) return
    out.path.push(name!)
    branch.write(json[name!], out)
    out.path.pop()
  }
}
