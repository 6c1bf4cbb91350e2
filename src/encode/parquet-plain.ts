/** Values that were read whole, from JSON or Protobuf, as columns. */
import { fault } from '../values/fault.ts'
import type { RecordShape, Shape } from '../values/shape.ts'
import { plainScalar } from './parquet-plain-scalar.ts'
import { type ColumnTarget, type PlannedPart, planColumns, skipColumns } from './parquet-plan.ts'
import type { SchemaNode } from './parquet-schema.ts'

/** Writes one part of values, or looks whether it could; neither is given null. */
interface PartWriter {
  readonly write: (value: unknown, repetition: number) => void
  /** @throws MillpondError `INPUT_INVALID`. */
  readonly check: (value: unknown) => void
}

/** Writes whole values. */
export interface RootWriter {
  readonly schema: readonly SchemaNode[]
  write(value: unknown): void
  check(value: unknown): void
}

/** The fields of an object are columns; anything else is one named `value`. */
export function rootWriter(shape: Shape, target: ColumnTarget): RootWriter {
  const isRecord = shape.kind === 'record' && shape.fields.size > 0
  const record: RecordShape = isRecord ? shape : { kind: 'record', fields: new Map([['value', shape]]), isOpen: false }
  const { schema, root } = planColumns(record)
  const part = isRecord ? root : root.parts[0]!
  const writer = partWriter(part, target)
  return {
    schema,
    write(value) {
      if (value === null) skipColumns(target, part, part.absent, 0)
      else writer.write(value, 0)
    },
    check(value) {
      if (value !== null) writer.check(value)
    },
  }
}

function partWriter(part: PlannedPart, target: ColumnTarget): PartWriter {
  const { kind } = part.shape
  if (kind === 'record') return recordWriter(part, target)
  if (kind === 'list') return listWriter(part, target)
  return kind === 'map' ? mapWriter(part, target) : columnWriter(part, target)
}

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

function columnWriter({ shape, from, definition }: PlannedPart, target: ColumnTarget): PartWriter {
  const { put, fits } = plainScalar(shape)
  return {
    write(value, repetition) {
      const builder = target.columns[from]!
      put(builder, value)
      builder.addLevel(definition, repetition)
    },
    check(value) {
      if (!fits(value)) throw fault(`it has ${Array.isArray(value) ? 'a list' : typeof value} where ${shape.kind} should be`)
    },
  }
}

function recordWriter({ shape, parts, definition }: PlannedPart, target: ColumnTarget): PartWriter {
  const { fields, isOpen } = shape as RecordShape
  const named = parts.filter(({ name }) => fields.has(name)).map((part) => ({ part, writer: partWriter(part, target) }))
  const rest = parts.find(({ name }) => !fields.has(name))
  const writeRest = rest && columnWriter(rest, target).write
  const fieldOf = (value: Fields, { name }: PlannedPart) => (Object.hasOwn(value, name) ? value[name] : null)
  const othersIn = (value: Fields) => Object.keys(value).filter((name) => !fields.has(name))
  return {
    write(value, repetition) {
      const object = value as Fields
      for (const { part, writer } of named) {
        const field = fieldOf(object, part)
        if (field === null || field === undefined) skipColumns(target, part, definition, repetition)
        else writer.write(field, repetition)
      }
      if (writeRest === undefined) return
      const others = othersIn(object)
      if (others.length === 0) skipColumns(target, rest!, definition, repetition)
      else writeRest(Object.fromEntries(others.map((name) => [name, object[name]])), repetition)
    },
    check(value) {
      if (!isObject(value)) throw fault('it is no object where one should be')
      for (const { part, writer } of named) {
        const field = fieldOf(value, part)
        if (field !== null && field !== undefined) writer.check(field)
      }
      if (!isOpen && othersIn(value).length > 0) throw fault('it has a property that there should not be')
    },
  }
}

function listWriter(part: PlannedPart, target: ColumnTarget): PartWriter {
  const item = part.parts[0]!
  const { depth, absent } = item
  const writer = partWriter(item, target)
  return {
    write(value, repetition) {
      const values = value as readonly unknown[]
      if (values.length === 0) skipColumns(target, part, part.definition, repetition)
      for (let i = 0; i < values.length; i++) {
        if (values[i] === null) skipColumns(target, item, absent, i === 0 ? repetition : depth)
        else writer.write(values[i], i === 0 ? repetition : depth)
      }
    },
    check(value) {
      if (!Array.isArray(value)) throw fault('it is no list where one should be')
      for (const one of value) if (one !== null) writer.check(one)
    },
  }
}

function mapWriter(part: PlannedPart, target: ColumnTarget): PartWriter {
  const [key, item] = part.parts as [PlannedPart, PlannedPart]
  const { depth, absent } = item
  const [keys, items] = [columnWriter(key, target), partWriter(item, target)]
  return {
    write(value, repetition) {
      const entries = Object.entries(value as Fields)
      if (entries.length === 0) skipColumns(target, part, part.definition, repetition)
      for (const [i, [name, content]] of entries.entries()) {
        const next = i === 0 ? repetition : depth
        keys.write(name, next)
        if (content === null) skipColumns(target, item, absent, next)
        else items.write(content, next)
      }
    },
    check(value) {
      if (!isObject(value)) throw fault('it is no object where one should be')
      for (const content of Object.values(value)) if (content !== null) items.check(content)
    },
  }
}
