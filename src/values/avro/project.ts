/**
 * Writes a datum of one schema as one of another. Source: Apache Avro 1.12.0 specification, "Schema Resolution", read 2026-11. As Kafka Connect does, a
 * field that is missing without a default is null where it may be.
 */
import { MillpondError } from '../../errors.ts'
import { fault } from '../fault.ts'
import type { Cursor } from './cursor.ts'
import type { Output } from './output.ts'
import type { AvroField, AvroRecord, AvroType } from './schema.ts'
import { encodeStandard } from './standard.ts'
import { createWalks, type Walk, walkBlocks } from './walk.ts'

/** Passes over a datum of the one type and writes it as one of the other; throws MillpondError `INPUT_INVALID`. */
export type Project = (cursor: Cursor, output: Output) => void

/**
 * How data of `from` become data of `to`.
 * @throws MillpondError `SCHEMA_INVALID` where they cannot, whatever they hold.
 */
export function createProjection(from: AvroType, to: AvroType): Project {
  const refused = new Set<string>()
  const walkOf = createWalks()
  const ids = new Map<AvroRecord, number>()
  for (;;) {
    // A pair of records that holds itself counts as possible until it is known not to be; what was made on that ground is then made anew.
    const { size } = refused
    const making = { pairs: new Map<string, Project>(), refused, walkOf, idOf: (record: AvroRecord) => idIn(ids, record) }
    try {
      const project = projectionOf(making, from, to)
      if (refused.size === size) return project
    } catch (error) {
      if (refused.size === size) throw error
    }
  }
}

function idIn(ids: Map<AvroRecord, number>, record: AvroRecord): number {
  const id = ids.get(record) ?? ids.size
  ids.set(record, id)
  return id
}

interface Making {
  /** Of records, by `pairOf`: records may hold themselves. */
  readonly pairs: Map<string, Project>
  /** Pairs that are known not to be possible. */
  readonly refused: Set<string>
  readonly walkOf: (type: AvroType) => Walk
  readonly idOf: (record: AvroRecord) => number
}

const cannot = (from: AvroType, to: AvroType) =>
  new MillpondError('SCHEMA_INVALID', `${nameOf(from)} cannot become ${nameOf(to)}`)
const nameOf = (type: AvroType): string => ('name' in type ? `${type.kind} ${type.name}` : type.kind)

function projectionOf(making: Making, from: AvroType, to: AvroType): Project {
  if (from.kind === 'union') return fromUnion(making, from.branches, to)
  if (to.kind === 'union') return toUnion(making, from, to.branches)
  if (from.kind === 'record' && to.kind === 'record') return recordProjection(making, from, to)
  if (from.kind === 'array' && to.kind === 'array') return arrayProjection(projectionOf(making, from.items, to.items))
  if (from.kind === 'map' && to.kind === 'map') return mapProjection(projectionOf(making, from.values, to.values))
  if (from.kind === 'enum' && to.kind === 'enum') return enumProjection(from, to)
  if (isEncodedAlike(from, to)) return copying(making.walkOf(from))
  const promote = promotions[`${from.kind} ${to.kind}`]
  if (promote === undefined) throw cannot(from, to)
  return promote
}

const copying =
  (walk: Walk): Project =>
  (cursor, output) => {
    const { at } = cursor
    walk(cursor)
    output.copy(cursor.bytes, at, cursor.at)
  }

const ALIKE: ReadonlySet<string> = new Set(['int long', 'string bytes'])

function isEncodedAlike(from: AvroType, to: AvroType): boolean {
  if (from.kind === 'fixed' && to.kind === 'fixed') return from.size === to.size && isNamedAlike(from, to)
  return from.kind === to.kind || ALIKE.has(`${from.kind} ${to.kind}`)
}

const promotions: Readonly<Partial<Record<string, Project>>> = {
  'int float': (cursor, output) => output.writeFloat(Number(cursor.readLong())),
  'int double': (cursor, output) => output.writeDouble(Number(cursor.readLong())),
  'long float': (cursor, output) => output.writeFloat(Number(cursor.readLong())),
  'long double': (cursor, output) => output.writeDouble(Number(cursor.readLong())),
  'bytes string': copying((cursor) => cursor.skipText()),
  'float double': (cursor, output) => output.writeDouble(cursor.readFloat()),
}

/** Names without their namespaces count, and what the target was called before. */
function isNamedAlike(
  from: { readonly name: string },
  to: { readonly name: string; readonly aliases: readonly string[] },
): boolean {
  return bare(from.name) === bare(to.name) || to.aliases.includes(from.name)
}

const bare = (name: string): string => name.slice(name.lastIndexOf('.') + 1)

function attempt(making: Making, from: AvroType, to: AvroType): Project | undefined {
  try {
    return projectionOf(making, from, to)
  } catch (error) {
    if (error instanceof MillpondError && error.code === 'SCHEMA_INVALID') return undefined
    throw error
  }
}

/** Which branch it is shows only in the data: one that cannot become the target is a fault there. */
function fromUnion(making: Making, branches: readonly AvroType[], to: AvroType): Project {
  const projections = branches.map((branch) => attempt(making, branch, to))
  if (projections.every((one) => one === undefined)) throw cannot({ kind: 'union', branches }, to)
  return (cursor, output) => {
    const index = cursor.readIndex(branches.length, 'branch')
    const project = projections[index]
    if (project === undefined) throw fault(`${nameOf(branches[index]!)} cannot become ${nameOf(to)}`)
    project(cursor, output)
  }
}

/** A branch of the same type goes before one that the type can become. */
function toUnion(making: Making, from: AvroType, branches: readonly AvroType[]): Project {
  const isSame = (to: AvroType): boolean =>
    to.kind === from.kind && (!('name' in to) || !('name' in from) || isNamedAlike(from, to))
  const order = [...branches.keys()].sort((a, b) => Number(isSame(branches[b]!)) - Number(isSame(branches[a]!)) || a - b)
  for (const index of order) {
    const project = attempt(making, from, branches[index]!)
    if (project === undefined) continue
    return (cursor, output) => {
      output.writeLong(index)
      project(cursor, output)
    }
  }
  throw cannot(from, { kind: 'union', branches })
}

function arrayProjection(project: Project): Project {
  return (cursor, output) => {
    walkBlocks(cursor, (count) => {
      output.writeLong(count)
      for (let left = count; left > 0; left--) project(cursor, output)
    })
    output.writeByte(0)
  }
}

function mapProjection(project: Project): Project {
  return (cursor, output) => {
    walkBlocks(cursor, (count) => {
      output.writeLong(count)
      for (let left = count; left > 0; left--) {
        const { at } = cursor
        cursor.skipText()
        output.copy(cursor.bytes, at, cursor.at)
        project(cursor, output)
      }
    })
    output.writeByte(0)
  }
}

type AvroEnum = Extract<AvroType, { readonly kind: 'enum' }>

function enumProjection(from: AvroEnum, to: AvroEnum): Project {
  if (!isNamedAlike(from, to)) throw cannot(from, to)
  const standard = to.standard === undefined ? -1 : to.symbols.indexOf(to.standard)
  const indexes = from.symbols.map((symbol) => (to.symbols.includes(symbol) ? to.symbols.indexOf(symbol) : standard))
  return (cursor, output) => {
    const symbol = cursor.readIndex(from.symbols.length, 'symbol')
    const index = indexes[symbol]!
    if (index === -1) throw fault(`${to.name} has no symbol ${from.symbols[symbol]}`)
    output.writeLong(index)
  }
}

function recordProjection(making: Making, from: AvroRecord, to: AvroRecord): Project {
  const pair = `${making.idOf(from)} ${making.idOf(to)}`
  const known = making.pairs.get(pair)
  if (known !== undefined) return known
  if (!isNamedAlike(from, to) || making.refused.has(pair)) throw cannot(from, to)
  const walks: Walk[] = []
  const fields: ((cursor: Cursor, output: Output, starts: readonly number[]) => void)[] = []
  const project: Project = (cursor, output) => {
    cursor.enter()
    const starts = walks.map((walk) => {
      const { at } = cursor
      walk(cursor)
      return at
    })
    const { at: end } = cursor
    for (const field of fields) field(cursor, output, starts)
    cursor.at = end
    cursor.leave()
  }
  making.pairs.set(pair, project)
  try {
    fields.push(...to.fields.map((field) => fieldProjection(making, from, field, to)))
  } catch (error) {
    making.refused.add(pair)
    making.pairs.delete(pair)
    throw error
  }
  walks.push(...from.fields.map(({ type }) => making.walkOf(type)))
  return project
}

function fieldProjection(making: Making, from: AvroRecord, field: AvroField, to: AvroRecord) {
  const index = from.fields.findIndex(({ name }) => name === field.name || field.aliases.includes(name))
  if (index === -1) {
    const standard = standardOf(field)
    if (standard === undefined)
      throw new MillpondError('SCHEMA_INVALID', `${to.name} needs a field ${field.name}, and has no default for it`)
    return (_: Cursor, output: Output) => output.copy(standard)
  }
  const project = projectionOf(making, from.fields[index]!.type, field.type)
  return (cursor: Cursor, output: Output, starts: readonly number[]) => {
    cursor.at = starts[index]!
    project(cursor, output)
  }
}

function standardOf({ type, standard }: AvroField): Uint8Array | undefined {
  if (standard !== undefined) return encodeStandard(type, standard)
  const mayBeNull = type.kind === 'union' && type.branches.some(({ kind }) => kind === 'null')
  return mayBeNull || type.kind === 'null' ? encodeStandard(type, null) : undefined
}
