import { fault } from '../fault.ts'
import type { Cursor } from './cursor.ts'
import type { AvroPrimitive, AvroRecord, AvroType } from './schema.ts'

/** Passes over one datum of a type and throws MillpondError `INPUT_INVALID` where it is none. */
export type Walk = (cursor: Cursor) => void

/** More items that take no bytes are not believed: they would take for ever to read. */
const MAX_EMPTY_ITEMS = 1_000_000

const primitives: Readonly<Record<AvroPrimitive, Walk>> = {
  null: () => undefined,
  boolean: (cursor) => void cursor.readBoolean(),
  int: (cursor) => cursor.skipVarint(5),
  long: (cursor) => cursor.skipVarint(10),
  float: (cursor) => void cursor.take(4),
  double: (cursor) => void cursor.take(8),
  bytes: (cursor) => void cursor.skipSized(),
  string: (cursor) => cursor.skipText(),
}

/** Makes walks, one for each record however often it is met, so that records may hold themselves. */
export function createWalks(): (type: AvroType) => Walk {
  const records = new Map<AvroRecord, Walk>()
  const walkOf = (type: AvroType): Walk => {
    switch (type.kind) {
      case 'fixed':
        return (cursor) => void cursor.take(type.size)
      case 'enum':
        return (cursor) => void cursor.readIndex(type.symbols.length, 'symbol')
      case 'array':
        return arrayWalk(walkOf(type.items), isEmpty(type.items))
      case 'map':
        return mapWalk(walkOf(type.values))
      case 'union':
        return unionWalk(type.branches.map(walkOf))
      case 'record':
        return recordWalk(type, records, walkOf)
      case 'null':
      case 'boolean':
      case 'int':
      case 'long':
      case 'float':
      case 'double':
      case 'bytes':
      case 'string':
    }
    return primitives[type.kind]
  }
  return walkOf
}

function recordWalk(record: AvroRecord, records: Map<AvroRecord, Walk>, walkOf: (type: AvroType) => Walk): Walk {
  const known = records.get(record)
  if (known !== undefined) return known
  const fields: Walk[] = []
  const walk: Walk = (cursor) => {
    cursor.enter()
    for (const field of fields) field(cursor)
    cursor.leave()
  }
  records.set(record, walk)
  fields.push(...record.fields.map(({ type }) => walkOf(type)))
  return walk
}

function unionWalk(branches: readonly Walk[]): Walk {
  const { length } = branches
  return (cursor) => branches[cursor.readIndex(length, 'branch')]!(cursor)
}

function arrayWalk(item: Walk, isEmptyItem: boolean): Walk {
  return (cursor) => {
    let empty = 0
    walkBlocks(cursor, (count) => {
      if (isEmptyItem) {
        empty += count
        if (empty > MAX_EMPTY_ITEMS) throw fault(`an array has ${empty} items without bytes`)
        return
      }
      for (let left = count; left > 0; left--) item(cursor)
    })
  }
}

function mapWalk(value: Walk): Walk {
  return (cursor) =>
    walkBlocks(cursor, (count) => {
      for (let left = count; left > 0; left--) {
        cursor.skipText()
        value(cursor)
      }
    })
}

/** Calls `walk` for each block of an array or a map, which must pass over so many items. */
export function walkBlocks(cursor: Cursor, walk: (count: number) => void): void {
  cursor.enter()
  for (;;) {
    const count = cursor.readCount()
    if (count === 0) break
    if (count > 0) {
      walk(count)
      continue
    }
    const bytes = cursor.readCount()
    const start = cursor.at
    walk(-count)
    if (cursor.at - start !== bytes) throw fault(`a block of ${bytes} bytes has ${cursor.at - start}`)
  }
  cursor.leave()
}

/** Whether data of the type take no bytes. */
function isEmpty(type: AvroType, within: readonly AvroType[] = []): boolean {
  if (type.kind === 'null') return true
  if (type.kind === 'fixed') return type.size === 0
  // A record that holds itself outright has no data at all.
  if (type.kind !== 'record' || within.includes(type)) return false
  return type.fields.every((field) => isEmpty(field.type, [...within, type]))
}

/** The least that a value of the type takes, 0 or 1 byte: enough to see that a count cannot be right. */
export const leastBytes = ({ kind }: AvroType): number => (kind === 'null' || kind === 'record' || kind === 'fixed' ? 0 : 1)
