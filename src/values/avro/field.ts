import type { FieldValue } from '../values.ts'
import { textOf } from '../text.ts'
import type { Cursor } from './cursor.ts'
import { decimalText, scaledTime } from '../logical.ts'
import type { AvroLogical, AvroType } from './schema.ts'
import { createWalks, type Walk, walkBlocks } from './walk.ts'

/** Reads one field of a datum from its beginning, no further than it must; throws MillpondError `INPUT_INVALID`. */
export type ReadField = (cursor: Cursor) => FieldValue

/** A reader, or undefined for a field that no datum of the type has. */
type MaybeRead = ReadField | undefined

const nothing: ReadField = () => undefined

/** How to read the field of that dotted name; parts may be fields of records and keys of maps, also within unions. */
export function createFieldReader(type: AvroType, name: string): ReadField {
  return readerOf(type, name.split('.'), createWalks()) ?? nothing
}

function readerOf(type: AvroType, path: readonly string[], walkOf: (type: AvroType) => Walk): MaybeRead {
  if (type.kind === 'union') return unionReader(type.branches.map((branch) => readerOf(branch, path, walkOf)))
  const [name, ...rest] = path
  if (name === undefined) return scalarReader(type)
  if (type.kind === 'map') return mapReader(name, readerOf(type.values, rest, walkOf), walkOf(type.values))
  if (type.kind !== 'record') return undefined
  const index = type.fields.findIndex((field) => field.name === name)
  const read = index === -1 ? undefined : readerOf(type.fields[index]!.type, rest, walkOf)
  if (read === undefined) return undefined
  const before = type.fields.slice(0, index).map((field) => walkOf(field.type))
  return (cursor) => {
    for (const walk of before) walk(cursor)
    return read(cursor)
  }
}

function unionReader(branches: readonly MaybeRead[]): MaybeRead {
  if (branches.every((branch) => branch === undefined)) return undefined
  const { length } = branches
  return (cursor) => branches[cursor.readIndex(length, 'branch')]?.(cursor)
}

/** Of a key that comes twice the last one counts, as in what other readers make of it. */
function mapReader(key: string, read: MaybeRead, walk: Walk): MaybeRead {
  if (read === undefined) return undefined
  return (cursor) => {
    let found: FieldValue
    walkBlocks(cursor, (count) => {
      for (let left = count; left > 0; left--) {
        const isIt = cursor.readText() === key
        const start = cursor.at
        walk(cursor)
        if (!isIt) continue
        const { at } = cursor
        cursor.at = start
        found = read(cursor)
        cursor.at = at
      }
    })
    return found
  }
}

function scalarReader(type: AvroType): MaybeRead {
  switch (type.kind) {
    case 'null':
      return () => null
    case 'boolean':
      return (cursor) => cursor.readBoolean() === 1
    case 'int':
    case 'long':
      return integerReader(type.logical)
    case 'float':
      return (cursor) => cursor.readFloat()
    case 'double':
      return (cursor) => cursor.readDouble()
    case 'string':
      return textReader()
    case 'enum':
      return (cursor) => type.symbols[cursor.readIndex(type.symbols.length, 'symbol')]
    case 'bytes':
      return type.logical?.name === 'decimal' ? decimalReader(type.logical, (cursor) => cursor.readCount()) : undefined
    case 'fixed':
      return type.logical?.name === 'decimal' ? decimalReader(type.logical, () => type.size) : undefined
    case 'record':
    case 'array':
    case 'map':
    case 'union':
  }
  return undefined
}

function integerReader(logical: AvroLogical | undefined): ReadField {
  const scale = logical === undefined ? undefined : scaledTime(logical.name)
  if (scale === undefined) return (cursor) => cursor.readLong()
  return (cursor) => scale(cursor.readLong())
}

/** Texts of a field are often the same in message after message: that one is not made anew. */
function textReader(): ReadField {
  let last = new Uint8Array(0)
  let text = ''
  return (cursor) => {
    const length = cursor.readCount()
    const start = cursor.take(length)
    const { bytes } = cursor
    if (length === last.length) {
      let same = 0
      while (same < length && bytes[start + same] === last[same]) same++
      if (same === length) return text
    }
    last = bytes.slice(start, start + length)
    text = textOf(bytes, start, start + length)
    return text
  }
}

function decimalReader({ scale }: AvroLogical, lengthOf: (cursor: Cursor) => number): ReadField {
  return (cursor) => {
    const length = lengthOf(cursor)
    const start = cursor.take(length)
    return decimalText(cursor.bytes.subarray(start, start + length), scale)
  }
}
