/** Values of Avro as columns: the schema becomes a plan of small functions that read a value where it lies. */
import { isAscii, isUtf8 } from 'node:buffer'
import { AvroCursor, unfit } from './avro-cursor.ts'
import { type AvroDecimal, type AvroField, type AvroType, leastBytes, parseAvroSchema } from './avro-types.ts'
import { readAvroAsJson } from './avro-json.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { MAX_MILLIS, putMicros } from './parquet-micros.ts'
import type { LogicalType } from './parquet-schema.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import {
  type ColumnTarget,
  definitionOf,
  leafNode,
  listNode,
  mapNode,
  type NodePlace,
  type NodeWriter,
} from './parquet-writers.ts'

const encoder = new TextEncoder()

interface Plan {
  readonly cursor: AvroCursor
  readonly target: ColumnTarget
  /** Columns so far. */
  leaves: number
  /** Whether text need not be looked at. */
  isAscii: boolean
}

/** What writes values of this schema. A value that is no record is a column named `value`. @throws MillpondError `FORMAT_UNSUPPORTED`. */
export function avroWriter(schema: string, target: ColumnTarget): ValueWriter {
  const type = parseAvroSchema(schema)
  const plan: Plan = { cursor: new AvroCursor(), target, leaves: 0, isAscii: false }
  const fields = type.kind === 'record' ? type.fields : [{ name: 'value', type }]
  const stack = type.kind === 'record' ? [type] : []
  let writers = fieldWriters(fields, plan, { definition: 0, repetitionDepth: 0 }, stack)
  if (plan.leaves === 0) {
    // A file without a column is none.
    writers = [jsonWriter({ kind: 'record', name: 'value', fields }, plan, topPlace('value'))]
  }
  const { cursor } = plan
  const toEnd = () => {
    if (cursor.at !== cursor.end) throw unfit('bytes follow it')
  }
  return {
    schema: writers.flatMap(({ node }) => node ?? []),
    check(batch, row, start) {
      cursor.open(batch.bytes, start, batch.valueEnd[row]!)
      for (const writer of writers) writer.check()
      toEnd()
    },
    begin(batch) {
      plan.isAscii = batch.bytes.byteLength <= Math.max(MiB, batch.count * 4096) && isAscii(batch.bytes)
    },
    write(batch, row, start) {
      cursor.open(batch.bytes, start, batch.valueEnd[row]!)
      for (const writer of writers) writer.write(0)
      toEnd()
    },
  }
}

const MiB = 1024 * 1024

const topPlace = (name: string): NodePlace => ({ name, repetition: 'required', definition: 0, repetitionDepth: 0 })

type Depth = Pick<NodePlace, 'definition' | 'repetitionDepth'>

const fieldWriters = (fields: readonly AvroField[], plan: Plan, depth: Depth, stack: readonly AvroType[]): NodeWriter[] =>
  fields.map(({ name, type }) => nodeWriter(type, plan, { name, repetition: 'required', ...depth }, stack))

/** The writer of a node; `stack` are the records that it lies in, which a column cannot hold again. */
function nodeWriter(type: AvroType, plan: Plan, place: NodePlace, stack: readonly AvroType[]): NodeWriter {
  if (type.kind === 'union') return unionWriter(type.branches, plan, place, stack)
  if (type.kind === 'record') return recordWriter(type, plan, place, stack)
  if (type.kind === 'array') return listWriter(type.items, plan, place, stack)
  if (type.kind === 'map') return mapWriter(type.values, plan, place, stack)
  return type.kind === 'null' ? nothing : leafWriter(type, plan, place)
}

const nothing: NodeWriter = { node: undefined, write: () => undefined, skip: () => undefined, check: () => undefined }

type Leaf = Exclude<AvroType, { kind: 'union' | 'record' | 'array' | 'map' | 'null' }>

/** A column whose values `put` writes to its builder. */
function column(
  plan: Plan,
  place: NodePlace,
  node: NonNullable<NodeWriter['node']>,
  put: (builder: ColumnBuilder, cursor: AvroCursor) => void,
  check: (cursor: AvroCursor) => void,
): NodeWriter {
  const { cursor, target } = plan
  const index = plan.leaves++
  const definition = definitionOf(place)
  return {
    node,
    write(repetition) {
      const builder = target.columns[index]!
      put(builder, cursor)
      builder.addLevel(definition, repetition)
    },
    skip(nothingFrom, repetition) {
      target.columns[index]!.addLevel(nothingFrom, repetition)
    },
    check: () => check(cursor),
  }
}

function leafWriter(type: Leaf, plan: Plan, place: NodePlace): NodeWriter {
  switch (type.kind) {
    case 'boolean':
      return column(plan, place, leafNode(place, 'BOOLEAN'), putBoolean, (cursor) => cursor.readBoolean())
    case 'int':
      return type.logical === 'time-millis'
        ? column(plan, place, leafNode(place, 'INT64', timeOfDay), putIntMicros, (cursor) => cursor.readInt())
        : column(plan, place, leafNode(place, 'INT32', intMeaning(type.logical)), putInt, (cursor) => cursor.readInt())
    case 'long': {
      const meaning = longMeaning(type.logical)
      const encoding = meaning?.kind === 'timestamp' ? 'delta' : 'dictionary'
      if (type.logical?.endsWith('timestamp-millis') === true)
        return column(plan, place, leafNode(place, 'INT64', meaning, { encoding }), putLongMicros, readMillis)
      return column(plan, place, leafNode(place, 'INT64', meaning, { encoding }), putLong, (cursor) => cursor.readWords())
    }
    case 'float':
      return column(plan, place, leafNode(place, 'FLOAT'), putRaw(4), (cursor) => cursor.take(4))
    case 'double':
      return column(plan, place, leafNode(place, 'DOUBLE'), putRaw(8), (cursor) => cursor.take(8))
    case 'bytes':
      return bytesWriter(type.decimal, plan, place)
    case 'string':
      return type.logical === 'uuid' ? uuidWriter(plan, place) : textWriter(plan, place)
    case 'fixed':
      return fixedWriter(type, plan, place)
    case 'enum':
      return enumWriter(type.symbols, plan, place)
  }
  return nothing
}

const timeOfDay: LogicalType = { kind: 'time', unit: 'micros', isUtc: false }

const intMeaning = (logical: string | undefined): LogicalType | undefined => (logical === 'date' ? { kind: 'date' } : undefined)

/** Milliseconds become microseconds. */
function longMeaning(logical: string | undefined): LogicalType | undefined {
  if (logical === 'time-micros') return timeOfDay
  const found = /^(local-)?timestamp-(millis|micros|nanos)$/u.exec(logical ?? '')
  if (found === null) return undefined
  return { kind: 'timestamp', unit: found[2] === 'nanos' ? 'nanos' : 'micros', isUtc: found[1] === undefined }
}

/** A long of milliseconds. @throws MillpondError `INPUT_INVALID` where it has no microseconds of 64 bits. */
function readMillis(cursor: AvroCursor): number {
  cursor.readWords()
  const millis = cursor.high * 2 ** 32 + (cursor.low >>> 0)
  if (Math.abs(millis) > MAX_MILLIS) throw unfit('a time of milliseconds lies further away than microseconds count')
  return millis
}

const putLongMicros = (builder: ColumnBuilder, cursor: AvroCursor): void => putMicros(builder, readMillis(cursor))
const putIntMicros = (builder: ColumnBuilder, cursor: AvroCursor): void => putMicros(builder, cursor.readInt())

function putBoolean(builder: ColumnBuilder, cursor: AvroCursor): void {
  const bit = cursor.readBoolean()
  builder.reserve(1)
  builder.bytes[builder.used++] = bit
}

function putInt(builder: ColumnBuilder, cursor: AvroCursor): void {
  const value = cursor.readInt()
  builder.reserve(4)
  builder.view.setInt32(builder.used, value, true)
  builder.used += 4
}

function putLong(builder: ColumnBuilder, cursor: AvroCursor): void {
  cursor.readWords()
  builder.reserve(8)
  builder.view.setInt32(builder.used, cursor.low, true)
  builder.view.setInt32(builder.used + 4, cursor.high, true)
  builder.used += 8
}

const putRaw = (size: number) => (builder: ColumnBuilder, cursor: AvroCursor) => {
  const start = cursor.take(size)
  builder.reserve(size)
  for (let i = 0; i < size; i++) builder.bytes[builder.used++] = cursor.bytes[start + i]!
}

function putBytes(builder: ColumnBuilder, cursor: AvroCursor): void {
  const length = cursor.readBytes()
  builder.pushBytes(cursor.bytes, cursor.at - length, length)
}

function textWriter(plan: Plan, place: NodePlace): NodeWriter {
  return column(plan, place, leafNode(place, 'BYTE_ARRAY', { kind: 'string' }), putBytes, (cursor) => checkText(plan, cursor))
}

function checkText(plan: Plan, cursor: AvroCursor): void {
  const length = cursor.readBytes()
  if (!plan.isAscii && !isUtf8(cursor.bytes.subarray(cursor.at - length, cursor.at))) throw unfit('a text is not UTF-8')
}

function bytesWriter(decimal: AvroDecimal | undefined, plan: Plan, place: NodePlace): NodeWriter {
  const meaning = decimal && ({ kind: 'decimal', ...decimal } as const)
  // Decimals are ordered as numbers, which these bytes are not by themselves.
  return column(plan, place, leafNode(place, 'BYTE_ARRAY', meaning, { hasBounds: !decimal }), putBytes, (cursor) => {
    const length = cursor.readBytes()
    if (decimal && (length === 0 || length > MAX_DECIMAL_BYTES)) throw unfit(`a decimal has ${length} bytes`)
  })
}

/** What 38 digits take. */
const MAX_DECIMAL_BYTES = 16

function fixedWriter(type: Leaf & { readonly kind: 'fixed' }, plan: Plan, place: NodePlace): NodeWriter {
  const { size, decimal } = type
  if (size === 0) {
    const node = leafNode(place, 'BYTE_ARRAY')
    return column(plan, place, node, (builder, cursor) => builder.pushBytes(cursor.bytes, cursor.at, 0), nothing.check)
  }
  const isUuid = type.logical === 'uuid' && size === 16
  const isDecimal = decimal !== undefined && size <= MAX_DECIMAL_BYTES
  const meaning = isUuid ? ({ kind: 'uuid' } as const) : isDecimal ? ({ kind: 'decimal', ...decimal } as const) : undefined
  const node = leafNode(place, 'FIXED_LEN_BYTE_ARRAY', meaning, { typeLength: size, hasBounds: false })
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    const start = cursor.take(size)
    builder.push(cursor.bytes.subarray(start, start + size))
  }
  return column(plan, place, node, put, (cursor) => cursor.take(size))
}

const UUID_TEXT_BYTES = 36
const DASH = 0x2d

/** Text of 36 characters becomes 16 bytes. */
function uuidWriter(plan: Plan, place: NodePlace): NodeWriter {
  const node = leafNode(place, 'FIXED_LEN_BYTE_ARRAY', { kind: 'uuid' }, { typeLength: 16, hasBounds: false })
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    const start = uuidStart(cursor)
    builder.reserve(16)
    for (let i = 0, at = start; i < 16; i++, at += 2) {
      if (cursor.bytes[at] === DASH) at++
      builder.bytes[builder.used++] = (hexDigit(cursor.bytes[at]!) << 4) | hexDigit(cursor.bytes[at + 1]!)
    }
  }
  return column(plan, place, node, put, (cursor) => {
    const start = uuidStart(cursor)
    for (let i = 0; i < UUID_TEXT_BYTES; i++) {
      const byte = cursor.bytes[start + i]!
      const isDash = i === 8 || i === 13 || i === 18 || i === 23
      if (isDash ? byte !== DASH : hexDigit(byte) < 0) throw unfit('a UUID is none')
    }
  })
}

function uuidStart(cursor: AvroCursor): number {
  const length = cursor.readBytes()
  if (length !== UUID_TEXT_BYTES) throw unfit(`a UUID has ${length} characters`)
  return cursor.at - length
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte | 0x20
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

function enumWriter(symbols: readonly string[], plan: Plan, place: NodePlace): NodeWriter {
  const texts = symbols.map((symbol) => encoder.encode(symbol))
  const read = (cursor: AvroCursor) => {
    const index = cursor.readCount()
    const found = texts[index]
    if (found === undefined) throw unfit(`an enum has no symbol ${index}`)
    return found
  }
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    const found = read(cursor)
    builder.pushBytes(found, 0, found.byteLength)
  }
  return column(plan, place, leafNode(place, 'BYTE_ARRAY', { kind: 'string' }), put, read)
}

/** What no column can hold as it is, as JSON text. */
function jsonWriter(type: AvroType, plan: Plan, place: NodePlace): NodeWriter {
  const node = leafNode(place, 'BYTE_ARRAY', { kind: 'json' }, { hasBounds: false })
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    builder.pushText(JSON.stringify(readAvroAsJson(type, cursor)))
  }
  return column(plan, place, node, put, (cursor) => readAvroAsJson(type, cursor))
}

function recordWriter(
  type: AvroType & { readonly kind: 'record' },
  plan: Plan,
  place: NodePlace,
  stack: readonly AvroType[],
): NodeWriter {
  const leavesBefore = plan.leaves
  if (stack.includes(type)) return jsonWriter(type, plan, place)
  const depth = { definition: definitionOf(place), repetitionDepth: place.repetitionDepth }
  const children = fieldWriters(type.fields, plan, depth, [...stack, type])
  // A group without a column is none.
  if (plan.leaves === leavesBefore) return jsonWriter(type, plan, place)
  const { name, repetition } = place
  return {
    node: { name, repetition, children: children.flatMap(({ node }) => node ?? []) },
    write(rep) {
      for (const child of children) child.write(rep)
    },
    skip(definition, rep) {
      for (const child of children) child.skip(definition, rep)
    },
    check() {
      for (const child of children) child.check()
    },
  }
}

function unionWriter(branches: readonly AvroType[], plan: Plan, place: NodePlace, stack: readonly AvroType[]): NodeWriter {
  const values = branches.filter(({ kind }) => kind !== 'null')
  const isOptional = values.length < branches.length
  const own: NodePlace = isOptional ? { ...place, repetition: 'optional' } : place
  if (values.length <= 1) return optionalWriter(branches, values[0], { plan, place: own, stack })
  const depth = { definition: definitionOf(own), repetitionDepth: place.repetitionDepth }
  const names = branchNames(values)
  const members = values.map((type, i) => nodeWriter(type, plan, { name: names[i]!, repetition: 'optional', ...depth }, stack))
  /** For each branch its member; -1 for null. */
  const memberOf = branches.map((branch) => values.indexOf(branch))
  const readBranch = () => {
    const found = memberOf[plan.cursor.readCount()]
    if (found === undefined) throw unfit('a union has no such branch')
    return found
  }
  return {
    node: { name: own.name, repetition: own.repetition, children: members.flatMap(({ node }) => node ?? []) },
    write(rep) {
      const chosen = readBranch()
      for (let i = 0; i < members.length; i++) {
        if (i === chosen) members[i]!.write(rep)
        else members[i]!.skip(chosen < 0 ? place.definition : depth.definition, rep)
      }
    },
    skip(definition, rep) {
      for (const member of members) member.skip(definition, rep)
    },
    check() {
      const chosen = readBranch()
      if (chosen >= 0) members[chosen]!.check()
    },
  }
}

interface UnionContext {
  readonly plan: Plan
  readonly place: NodePlace
  readonly stack: readonly AvroType[]
}

/** A union of null and one type at the most. */
function optionalWriter(
  branches: readonly AvroType[],
  type: AvroType | undefined,
  { plan, place, stack }: UnionContext,
): NodeWriter {
  const { cursor } = plan
  const inner = type === undefined ? nothing : nodeWriter(type, plan, place, stack)
  const isThere = () => {
    const branch = branches[cursor.readCount()]
    if (branch === undefined) throw unfit('a union has no such branch')
    return branch === type
  }
  return {
    node: inner.node,
    write(rep) {
      if (isThere()) inner.write(rep)
      else inner.skip(place.definition, rep)
    },
    skip: inner.skip,
    check() {
      if (isThere()) inner.check()
    },
  }
}

/** Short names of types, whole ones where those are not told apart. */
function branchNames(types: readonly AvroType[]): string[] {
  const whole = types.map((type) => ('name' in type ? type.name : type.kind))
  const short = whole.map((name) => name.slice(name.lastIndexOf('.') + 1))
  return short.map((name, i) => (short.indexOf(name) === short.lastIndexOf(name) ? name : whole[i]!))
}

function listWriter(items: AvroType, plan: Plan, place: NodePlace, stack: readonly AvroType[]): NodeWriter {
  const { cursor } = plan
  const definition = definitionOf(place)
  const depth = place.repetitionDepth + 1
  const elementPlace: NodePlace = { name: 'element', repetition: 'required', definition: definition + 1, repetitionDepth: depth }
  // Nulls alone have no column of their own.
  const isEmpty = items.kind === 'null'
  const element = isEmpty
    ? jsonWriter(items, plan, { ...elementPlace, repetition: 'optional' })
    : nodeWriter(items, plan, elementPlace, stack)
  return {
    node: listNode(place, element.node!),
    write: (rep) => writeItems(cursor, leastBytes(items), { rep, depth, definition, element }),
    skip: element.skip,
    check: () => checkItems(cursor, leastBytes(items), element),
  }
}

interface Items {
  readonly rep: number
  readonly depth: number
  readonly definition: number
  readonly element: Pick<NodeWriter, 'write' | 'skip'>
}

function writeItems(cursor: AvroCursor, itemBytes: number, { rep, depth, definition, element }: Items): void {
  let next = rep
  for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes)) {
    for (let i = 0; i < count; i++) {
      element.write(next)
      next = depth
    }
  }
  if (next === rep) element.skip(definition, rep)
}

function checkItems(cursor: AvroCursor, itemBytes: number, element: Pick<NodeWriter, 'check'>): void {
  for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes)) {
    for (let i = 0; i < count; i++) element.check()
  }
}

function mapWriter(values: AvroType, plan: Plan, place: NodePlace, stack: readonly AvroType[]): NodeWriter {
  const { cursor } = plan
  const definition = definitionOf(place)
  const depth = place.repetitionDepth + 1
  const inner: NodePlace = { name: 'key', repetition: 'required', definition: definition + 1, repetitionDepth: depth }
  const key = textWriter(plan, inner)
  const value =
    values.kind === 'null'
      ? jsonWriter(values, plan, { ...inner, name: 'value', repetition: 'optional' })
      : nodeWriter(values, plan, { ...inner, name: 'value' }, stack)
  const entry = {
    write(rep: number) {
      key.write(rep)
      value.write(rep)
    },
    skip: (from: number, rep: number) => {
      key.skip(from, rep)
      value.skip(from, rep)
    },
    check() {
      key.check()
      value.check()
    },
  }
  return {
    node: mapNode(place, key.node!, value.node!),
    write: (rep) => writeItems(cursor, 1, { rep, depth, definition, element: entry }),
    skip: entry.skip,
    check: () => checkItems(cursor, 1, entry),
  }
}
