import { type AvroCursor, unfit } from '../encode/avro-cursor.ts'
import { type AvroType, leastBytes } from '../encode/avro-types.ts'
import { avroColumnType, branchName, unitsPerSecond } from './avro-types.ts'
import { bytesText, dateText, decimalText, numberJson, timestampText, timeText, uuidText } from './cell-text.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Values nest no deeper, so that a damaged one cannot use up the stack. */
const MAX_DEPTH = 200

/**
 * The next value of the type as JSON of which SQL makes cells: numbers with all their digits, bytes, times and decimals as text that SQL reads, a
 * union of several types as an object with the one that it is.
 * @throws MillpondError `INPUT_INVALID`.
 */
export function avroJson(type: AvroType, cursor: AvroCursor, depth = 0): string {
  if (depth > MAX_DEPTH) throw unfit(`it nests deeper than ${MAX_DEPTH}`)
  switch (type.kind) {
    case 'union': {
      const branch = chosen(type.branches, cursor, 'branch')
      const text = avroJson(branch, cursor, depth + 1)
      const isChoice = type.branches.filter(({ kind }) => kind !== 'null').length > 1
      return isChoice && branch.kind !== 'null' ? `{${JSON.stringify(branchName(branch))}:${text}}` : text
    }
    case 'array':
      return `[${listed(cursor, leastBytes(type.items), () => avroJson(type.items, cursor, depth + 1))}]`
    case 'map':
      return `{${listed(cursor, 1, () => `${JSON.stringify(readText(cursor))}:${avroJson(type.values, cursor, depth + 1)}`)}}`
    case 'record': {
      const fields = type.fields.map((field) => `${JSON.stringify(field.name)}:${avroJson(field.type, cursor, depth + 1)}`)
      return `{${fields.join(',')}}`
    }
    default:
      return scalarJson(type, cursor)
  }
}

function listed(cursor: AvroCursor, itemBytes: number, item: () => string): string {
  const items: string[] = []
  for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes))
    for (let i = 0; i < count; i++) items.push(item())
  return items.join(',')
}

type ScalarAvro = Exclude<AvroType, { readonly kind: 'union' | 'array' | 'map' | 'record' }>

function scalarJson(type: ScalarAvro, cursor: AvroCursor): string {
  switch (type.kind) {
    case 'null':
      return 'null'
    case 'boolean':
      return cursor.readBoolean() === 1 ? 'true' : 'false'
    case 'int':
    case 'long':
      return wholeJson(type, cursor)
    case 'float':
      return numberJson(cursor.view.getFloat32(cursor.take(4), true))
    case 'double':
      return numberJson(cursor.view.getFloat64(cursor.take(8), true))
    case 'string':
      return JSON.stringify(readText(cursor))
    case 'enum':
      return JSON.stringify(chosen(type.symbols, cursor, 'symbol'))
    default:
      return JSON.stringify(binaryText(type, cursor))
  }
}

function wholeJson(type: AvroType, cursor: AvroCursor): string {
  const value = type.kind === 'int' ? BigInt(cursor.readInt()) : readLong(cursor)
  const perSecond = unitsPerSecond(type)
  switch (avroColumnType(type).kind) {
    case 'date':
      return `"${dateText(Number(value))}"`
    case 'time':
      return `"${timeText((value * 1_000_000n) / perSecond)}"`
    case 'timestamp':
    case 'moment':
    case 'nanos':
      return `"${timestampText(value, perSecond)}"`
    default:
      return String(value)
  }
}

/** Bytes as text: of a decimal, a UUID, or as SQL writes them. */
export function binaryText(type: AvroType, cursor: AvroCursor): string {
  const length = type.kind === 'fixed' ? type.size : cursor.readBytes()
  const start = type.kind === 'fixed' ? cursor.take(length) : cursor.at - length
  const bytes = cursor.bytes.subarray(start, start + length)
  const own = avroColumnType(type)
  if (own.kind === 'decimal') return decimalText(bytes, own.scale)
  return own.kind === 'uuid' ? uuidText(bytes) : bytesText(bytes)
}

/** The branch or symbol that comes next. @throws MillpondError `INPUT_INVALID`. */
export function chosen<T>(from: readonly T[], cursor: AvroCursor, what: string): T {
  const index = cursor.readCount()
  const found = from[index]
  if (found === undefined) throw unfit(`there is no ${what} ${index}`)
  return found
}

/** A number of 64 bits. */
export function readLong(cursor: AvroCursor): bigint {
  cursor.readWords()
  return (BigInt(cursor.high) << 32n) | BigInt(cursor.low >>> 0)
}

function readText(cursor: AvroCursor): string {
  const length = cursor.readBytes()
  try {
    return decoder.decode(cursor.bytes.subarray(cursor.at - length, cursor.at))
  } catch {
    throw unfit('a text is not UTF-8')
  }
}
