import { Cursor } from './avro/cursor.ts'
import { readPlain } from './avro/plain.ts'
import { parseJsonAt } from './decoded.ts'
import { fault } from './fault.ts'
import { createMessageReader } from './protobuf/plain.ts'
import { ProtobufCursor } from './protobuf/wire.ts'
import { schemaOf } from './value-schema.ts'
import type { ValueKind } from './values.ts'

/** Reads the datum from `start` to before `end` as JSON has it; undefined for JSON that is none. Throws MillpondError `INPUT_INVALID` for what its schema does not describe. */
export type ReadDatum = (bytes: Uint8Array, start: number, end: number) => unknown

/**
 * How data of the kind are read whole. Avro as its JSON, but for unions, which are what they hold; Protobuf with its fields' own names, enums by theirs, bytes in
 * base64. Whole numbers that a number does not hold exactly are text.
 * @throws MillpondError `SCHEMA_INVALID`.
 */
export function createDatumReader(kind: ValueKind): ReadDatum {
  const schema = schemaOf(kind)
  switch (schema.type) {
    case 'none':
    case 'json-schema':
      return parseJsonAt
    case 'avro': {
      const cursor = new Cursor()
      return (bytes, start, end) => {
        cursor.open(bytes, start, end)
        const value = readPlain(schema.root, cursor)
        if (cursor.at !== end) throw fault(`${end - cursor.at} bytes lie behind it`)
        return value
      }
    }
    case 'protobuf': {
      const [read, cursor] = [createMessageReader(schema.message), new ProtobufCursor()]
      return (bytes, start, end) => {
        cursor.open(bytes, start, end)
        return jsonOf(read(cursor))
      }
    }
    default:
      throw new TypeError(`no schema ${String(schema satisfies never)}`)
  }
}

/** What JSON does not have is text: bytes, whole numbers past 2^53, numbers that are none. */
function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (Array.isArray(value)) return value.map(jsonOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, jsonOf(one)]))
}
