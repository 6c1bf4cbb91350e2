import { type AvroCursor, unfit } from './avro-cursor.ts'
import { type AvroType, leastBytes } from './avro-types.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Values nest no deeper, so that a damaged one cannot use up the stack. */
const MAX_DEPTH = 200

/**
 * The next value of the type as JSON has it: bytes as text of their code points, as Avro's own JSON has them; a union's value as it is; numbers that
 * JSON's readers would round, and those that JSON does not have, as text.
 * @throws MillpondError `INPUT_INVALID`.
 */
export function readAvroAsJson(type: AvroType, cursor: AvroCursor, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw unfit(`it nests deeper than ${MAX_DEPTH}`)
  if (type.kind === 'record' || type.kind === 'array' || type.kind === 'map') return composed(type, cursor, depth + 1)
  switch (type.kind) {
    case 'null':
      return null
    case 'boolean':
      return cursor.readBoolean() === 1
    case 'int':
      return cursor.readInt()
    case 'long':
      return long(cursor)
    case 'float':
      return float(cursor.view.getFloat32(cursor.take(4), true))
    case 'double':
      return float(cursor.view.getFloat64(cursor.take(8), true))
    case 'string':
      return text(cursor)
    case 'bytes': {
      const length = cursor.readBytes()
      return Buffer.from(cursor.bytes.subarray(cursor.at - length, cursor.at)).toString('latin1')
    }
    case 'fixed': {
      const start = cursor.take(type.size)
      return Buffer.from(cursor.bytes.subarray(start, cursor.at)).toString('latin1')
    }
    case 'enum':
      return chosen(type.symbols, cursor, 'symbol')
    case 'union':
      return readAvroAsJson(chosen(type.branches, cursor, 'branch'), cursor, depth + 1)
  }
  return undefined
}

function composed(type: AvroType & { readonly kind: 'record' | 'array' | 'map' }, cursor: AvroCursor, depth: number): unknown {
  if (type.kind === 'record')
    return Object.fromEntries(type.fields.map((field) => [field.name, readAvroAsJson(field.type, cursor, depth)]))
  const items: unknown[] = []
  const itemBytes = type.kind === 'array' ? leastBytes(type.items) : 1
  for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes)) {
    for (let i = 0; i < count; i++)
      items.push(
        type.kind === 'array'
          ? readAvroAsJson(type.items, cursor, depth)
          : [text(cursor), readAvroAsJson(type.values, cursor, depth)],
      )
  }
  return type.kind === 'array' ? items : Object.fromEntries(items as [string, unknown][])
}

function chosen<T>(from: readonly T[], cursor: AvroCursor, what: string): T {
  const index = cursor.readCount()
  const found = from[index]
  if (found === undefined) throw unfit(`there is no ${what} ${index}`)
  return found
}

function long(cursor: AvroCursor): number | string {
  cursor.readWords()
  const value = (BigInt(cursor.high) << 32n) | BigInt(cursor.low >>> 0)
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
}

const float = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

function text(cursor: AvroCursor): string {
  const length = cursor.readBytes()
  try {
    return decoder.decode(cursor.bytes.subarray(cursor.at - length, cursor.at))
  } catch {
    throw unfit('a text is not UTF-8')
  }
}
