import type { Cursor } from '../values/avro/cursor.ts'
import type { AvroType } from '../values/avro/schema.ts'
import { leastBytes } from '../values/avro/walk.ts'
import { fault } from '../values/fault.ts'
import { avroColumnType, branchName, unitsPerSecond } from './avro-types.ts'
import { bytesText, dateText, decimalText, numberJson, timestampText, timeText, uuidText } from './cell-text.ts'

/** Values nest no deeper, so that a damaged one cannot use up the stack. */
const MAX_DEPTH = 200

/**
 * The next value of the type as JSON of which SQL makes cells: numbers with all their digits, bytes, times and decimals as text that SQL reads, a
 * union of several types as an object with the one that it is.
 * @throws MillpondError `INPUT_INVALID`.
 */
export function avroJson(type: AvroType, cursor: Cursor, depth = 0): string {
  if (depth > MAX_DEPTH) throw fault(`it nests deeper than ${MAX_DEPTH}`)
  if (type.kind === 'union') return unionJson(type.branches, cursor, depth + 1)
  if (type.kind === 'array') return `[${listed(cursor, leastBytes(type.items), () => avroJson(type.items, cursor, depth + 1))}]`
  if (type.kind === 'map') {
    const entry = () => `${JSON.stringify(cursor.readText())}:${avroJson(type.values, cursor, depth + 1)}`
    return `{${listed(cursor, 1, entry)}}`
  }
  if (type.kind !== 'record') return scalarJson(type, cursor)
  return `{${type.fields.map((field) => `${JSON.stringify(field.name)}:${avroJson(field.type, cursor, depth + 1)}`).join(',')}}`
}

function unionJson(branches: readonly AvroType[], cursor: Cursor, depth: number): string {
  const branch = chosen(branches, cursor, 'branch')
  const text = avroJson(branch, cursor, depth)
  const isChoice = branches.filter(({ kind }) => kind !== 'null').length > 1
  return isChoice && branch.kind !== 'null' ? `{${JSON.stringify(branchName(branch))}:${text}}` : text
}

function listed(cursor: Cursor, itemBytes: number, item: () => string): string {
  const items: string[] = []
  for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes))
    for (let i = 0; i < count; i++) items.push(item())
  return items.join(',')
}

type ScalarAvro = Exclude<AvroType, { readonly kind: 'union' | 'array' | 'map' | 'record' }>

function scalarJson(type: ScalarAvro, cursor: Cursor): string {
  switch (type.kind) {
    case 'null':
      return 'null'
    case 'boolean':
      return cursor.readBoolean() === 1 ? 'true' : 'false'
    case 'int':
      return wholeJson(type, BigInt(cursor.readInt()))
    case 'long':
      return wholeJson(type, readLong(cursor))
    case 'float':
      return numberJson(cursor.readFloat())
    case 'double':
      return numberJson(cursor.readDouble())
    case 'string':
      return JSON.stringify(cursor.readText())
    case 'enum':
      return JSON.stringify(chosen(type.symbols, cursor, 'symbol'))
    case 'bytes':
    case 'fixed':
      return JSON.stringify(binaryText(type, cursor))
    default:
      throw new TypeError(`no type ${String(type satisfies never)}`)
  }
}

function wholeJson(type: AvroType, value: bigint): string {
  const { kind } = avroColumnType(type)
  const perSecond = unitsPerSecond(type)
  if (kind === 'date') return `"${dateText(Number(value))}"`
  if (kind === 'time') return `"${timeText((value * 1_000_000n) / perSecond)}"`
  const isTimestamp = kind === 'timestamp' || kind === 'moment' || kind === 'nanos'
  return isTimestamp ? `"${timestampText(value, perSecond)}"` : String(value)
}

/** Bytes as text: of a decimal, a UUID, or as SQL writes them. */
export function binaryText(type: AvroType, cursor: Cursor): string {
  const length = type.kind === 'fixed' ? type.size : cursor.skipSized()
  const start = type.kind === 'fixed' ? cursor.take(length) : cursor.at - length
  const bytes = cursor.bytes.subarray(start, start + length)
  const own = avroColumnType(type)
  if (own.kind === 'decimal') return decimalText(bytes, own.scale)
  return own.kind === 'uuid' ? uuidText(bytes) : bytesText(bytes)
}

/** The branch or symbol that comes next. @throws MillpondError `INPUT_INVALID`. */
export function chosen<T>(from: readonly T[], cursor: Cursor, what: string): T {
  const index = cursor.readCount()
  const found = from[index]
  if (found === undefined) throw fault(`there is no ${what} ${index}`)
  return found
}

/** A number of 64 bits. */
export function readLong(cursor: Cursor): bigint {
  cursor.readWords()
  return (BigInt(cursor.high) << 32n) | BigInt(cursor.low >>> 0)
}
