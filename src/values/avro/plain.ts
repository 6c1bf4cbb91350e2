import { isUtf8 } from 'node:buffer'
import { fault } from '../fault.ts'
import { textOf } from '../text.ts'
import type { Cursor } from './cursor.ts'
import type { AvroType } from './schema.ts'
import { leastBytes } from './walk.ts'

/** Values nest no deeper, so that a damaged one cannot use up the stack. */
const MAX_DEPTH = 200

/**
 * The next value of the type as JSON has it: bytes as text of their code points, as Avro's own JSON has them; a union's value as it is; numbers that
 * JSON's readers would round, and those that JSON does not have, as text.
 * @throws MillpondError `INPUT_INVALID`.
 */
export function readPlain(type: AvroType, cursor: Cursor, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw fault(`it nests deeper than ${MAX_DEPTH}`)
  switch (type.kind) {
    case 'null':
      return null
    case 'boolean':
      return cursor.readBoolean() === 1
    case 'int':
      return cursor.readInt()
    case 'long': {
      const value = cursor.readLong()
      return typeof value === 'bigint' ? String(value) : value
    }
    case 'float':
      return finite(cursor.readFloat())
    case 'double':
      return finite(cursor.readDouble())
    case 'string':
      return readText(cursor)
    case 'bytes':
      return characters(cursor, cursor.skipSized())
    case 'fixed':
      cursor.take(type.size)
      return characters(cursor, type.size)
    case 'enum':
      return type.symbols[cursor.readIndex(type.symbols.length, 'symbol')]
    case 'union':
      return readPlain(type.branches[cursor.readIndex(type.branches.length, 'branch')]!, cursor, depth + 1)
    case 'record':
      return Object.fromEntries(type.fields.map((field) => [field.name, readPlain(field.type, cursor, depth + 1)]))
    case 'array':
      return readItems(cursor, leastBytes(type.items), () => readPlain(type.items, cursor, depth + 1))
    case 'map':
      return Object.fromEntries(
        readItems(cursor, 1, (): [string, unknown] => [readText(cursor), readPlain(type.values, cursor, depth + 1)]),
      )
    default:
      throw new TypeError(`no type ${String(type satisfies never)}`)
  }
}

function readItems<T>(cursor: Cursor, itemBytes: number, read: () => T): T[] {
  const items: T[] = []
  for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes))
    for (let i = 0; i < count; i++) items.push(read())
  return items
}

const finite = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

/** Of the bytes that were passed over last. */
const characters = ({ bytes, at }: Cursor, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + at - length, length).toString('latin1')

function readText(cursor: Cursor): string {
  const length = cursor.skipSized()
  const { bytes, at } = cursor
  if (!isUtf8(bytes.subarray(at - length, at))) throw fault('a text is not UTF-8')
  return textOf(bytes, at - length, at)
}
