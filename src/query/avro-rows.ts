import { Cursor } from '../values/avro/cursor.ts'
import type { AvroField, AvroType } from '../values/avro/schema.ts'
import { leastBytes } from '../values/avro/walk.ts'
import { fault } from '../values/fault.ts'
import { avroJson, binaryText, chosen, readLong } from './avro-text.ts'
import { avroColumnType, unitsPerSecond } from './avro-types.ts'
import type { CellBuilder } from './column-builder.ts'
import { isDirect } from './value-types.ts'

/** Reads the next value. */
type Step = (cursor: Cursor) => void

/**
 * Reads `count` values of the type, which are all of `data`, into cells; `cellsOf` gives where those of a field go, undefined for one that is not
 * wanted.
 * @throws MillpondError `INPUT_INVALID` where they are not such values.
 */
export function readAvroRows(
  type: AvroType,
  data: Uint8Array,
  count: number,
  cellsOf: (column: string) => CellBuilder | undefined,
): void {
  const fields: readonly Pick<AvroField, 'name' | 'type'>[] = type.kind === 'record' ? type.fields : [{ name: 'value', type }]
  const steps = fields.map((field): Step => {
    const cells = cellsOf(field.name)
    return cells === undefined ? skipping(field.type) : filling(field.type, cells)
  })
  const cursor = new Cursor()
  cursor.open(data, 0, data.byteLength)
  for (let row = 0; row < count; row++) for (const step of steps) step(cursor)
  if (cursor.at !== cursor.end) throw fault('bytes follow the last value')
}

function filling(type: AvroType, cells: CellBuilder): Step {
  if (type.kind === 'union') return fillingUnion(type, cells)
  if (type.kind === 'null') return () => cells.putNull()
  const own = avroColumnType(type)
  if (!isDirect(own, cells.type)) return (cursor) => cells.putText(avroJson(type, cursor))
  return fillingDirect(type, cells) ?? ((cursor) => cells.putText(avroJson(type, cursor)))
}

/** A value or null; of several types as an object. */
function fillingUnion(type: AvroType & { readonly kind: 'union' }, cells: CellBuilder): Step {
  const some = type.branches.filter(({ kind }) => kind !== 'null')
  if (some.length <= 1) {
    const branches = type.branches.map((branch) => filling(branch, cells))
    return (cursor) => chosen(branches, cursor, 'branch')(cursor)
  }
  return (cursor) => {
    const text = avroJson(type, cursor)
    if (text === 'null') cells.putNull()
    else cells.putText(text)
  }
}

/** Undefined where there is no faster way than by JSON. */
function fillingDirect(type: AvroType, cells: CellBuilder): Step | undefined {
  switch (type.kind) {
    case 'boolean':
      return (cursor) => cells.putNumber(cursor.readBoolean())
    case 'int': {
      const factor = type.logical?.name === 'time-millis' ? 1000 : 1
      return (cursor) => cells.putNumber(cursor.readInt() * factor)
    }
    case 'long':
      return fillingLong(type, cells)
    case 'float':
      return (cursor) => cells.putNumber(cursor.readFloat())
    case 'double':
      return (cursor) => cells.putNumber(cursor.readDouble())
    case 'string':
      return fillingBytes(cells)
    case 'bytes':
      return type.logical?.name !== 'decimal' ? fillingBytes(cells) : (cursor) => cells.putText(binaryText(type, cursor))
    case 'fixed': {
      if (avroColumnType(type).kind !== 'blob') return (cursor) => cells.putText(binaryText(type, cursor))
      const { size } = type
      return (cursor) => cells.putBytes(cursor.bytes, cursor.take(size), cursor.at)
    }
    case 'enum': {
      const symbols = type.symbols.map((symbol) => Buffer.from(symbol))
      return (cursor) => {
        const symbol = chosen(symbols, cursor, 'symbol')
        cells.putBytes(symbol, 0, symbol.byteLength)
      }
    }
    case 'null':
    case 'union':
    case 'array':
    case 'map':
    case 'record':
      return undefined
    default:
      throw new TypeError(`no type ${String(type satisfies never)}`)
  }
}

function fillingLong(type: AvroType, cells: CellBuilder): Step {
  const isInMillis = unitsPerSecond(type) === 1000n && avroColumnType(type).kind !== 'long'
  if (isInMillis) return (cursor) => cells.putBig(microsOfMillis(readLong(cursor)))
  if (cells.type.kind === 'double') return (cursor) => cells.putNumber(Number(readLong(cursor)))
  return (cursor) => {
    cursor.readWords()
    cells.putWords(cursor.low, cursor.high)
  }
}

const MOST_MICROS = 2n ** 63n - 1n

/** What SQL has no time for is infinite there. */
function microsOfMillis(millis: bigint): bigint {
  const micros = millis * 1000n
  if (micros > MOST_MICROS) return MOST_MICROS
  return micros < -MOST_MICROS ? -MOST_MICROS : micros
}

const fillingBytes =
  (cells: CellBuilder): Step =>
  (cursor) => {
    const length = cursor.skipSized()
    cells.putBytes(cursor.bytes, cursor.at - length, cursor.at)
  }

/** Goes over a value. Recursive types make their steps when they are come to. */
function skipping(type: AvroType): Step {
  switch (type.kind) {
    case 'null':
      return () => undefined
    case 'boolean':
      return (cursor) => void cursor.take(1)
    case 'int':
    case 'long':
    case 'enum':
      return (cursor) => cursor.readWords()
    case 'float':
      return (cursor) => void cursor.take(4)
    case 'double':
      return (cursor) => void cursor.take(8)
    case 'string':
    case 'bytes':
      return (cursor) => void cursor.skipSized()
    case 'fixed':
      return (cursor) => void cursor.take(type.size)
    case 'record':
    case 'union':
    case 'array':
    case 'map':
      return skippingComposed(type)
    default:
      throw new TypeError(`no type ${String(type satisfies never)}`)
  }
}

function skippingComposed(type: AvroType): Step {
  let steps: readonly Step[] | undefined
  const parts = (): readonly Step[] => (steps ??= partsOf(type).map(skipping))
  if (type.kind === 'union') return (cursor) => chosen(parts(), cursor, 'branch')(cursor)
  const skipParts: Step = (cursor) => {
    for (const step of parts()) step(cursor)
  }
  if (type.kind === 'record') return skipParts
  const itemBytes = type.kind === 'array' ? leastBytes(type.items) : 1
  return (cursor) => {
    for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes))
      for (let i = 0; i < count; i++) skipParts(cursor)
  }
}

/** What a value of the type is made of, in its order; that of a union is one of them. */
function partsOf(type: AvroType): readonly AvroType[] {
  if (type.kind === 'record') return type.fields.map((field) => field.type)
  if (type.kind === 'union') return type.branches
  if (type.kind === 'array') return [type.items]
  return type.kind === 'map' ? [{ kind: 'string', logical: undefined }, type.values] : []
}
