/** Values of JSON as columns, by a shape that was seen or that a schema gives. */
import type { MessageBatch } from '../batch/batch.ts'
import { unfit } from './avro-cursor.ts'
import { type Shape, UNKNOWN, widen } from './json-shape.ts'
import { parseJsonValue } from './json-value.ts'
import { scalars } from './parquet-json-scalars.ts'
import type { SchemaNode } from './parquet-schema.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import { type ColumnTarget, definitionOf, listNode, mapNode, type NodePlace } from './parquet-writers.ts'

/** Writes values of one node. */
interface JsonWriter {
  readonly node: SchemaNode
  /** Takes a value that is not null. */
  readonly write: (value: unknown, repetition: number) => void
  readonly skip: (definition: number, repetition: number) => void
  /** @throws MillpondError `INPUT_INVALID` where the value, which is not null, is none of the node. */
  readonly check: (value: unknown) => void
}

interface Plan {
  readonly target: ColumnTarget
  leaves: number
}

/** What an object has beside what its schema names. */
const REST = '__rest'
const TOP: Omit<NodePlace, 'name'> = { repetition: 'optional', definition: 0, repetitionDepth: 0 }

/** What writes values of a shape that a schema gives. */
export function jsonWriter(shape: Shape, target: ColumnTarget): ValueWriter {
  const root = rootWriter(shape, target)
  return {
    schema: root.schema,
    begin: () => undefined,
    check: (batch, row, start) => root.check(parseJsonValue(batch, row, start)),
    write: (batch, row, start) => root.write(parseJsonValue(batch, row, start)),
  }
}

/** What writes whatever values come, by the shape of all that it was let see. */
export function learningWriter(target: ColumnTarget): ValueWriter {
  let shape = UNKNOWN
  let root = rootWriter(shape, target)
  return {
    get schema() {
      return root.schema
    },
    learn(batch: MessageBatch, from: number, to: number) {
      const before = shape
      for (let row = from; row < to; row++) shape = widen(shape, parseJsonValue(batch, row, batch.valueStart[row]!))
      if (shape === before) return false
      root = rootWriter(shape, target)
      return true
    },
    begin: () => undefined,
    check: (batch, row, start) => void parseJsonValue(batch, row, start),
    write: (batch, row, start) => root.write(parseJsonValue(batch, row, start)),
  }
}

/** Writes whole values. */
export interface RootWriter {
  readonly schema: readonly SchemaNode[]
  write(value: unknown): void
  check(value: unknown): void
}

/** The fields of an object are columns; anything else is one named `value`. */
export function rootWriter(shape: Shape, target: ColumnTarget): RootWriter {
  const plan = { target, leaves: 0 }
  if (shape.kind === 'record' && shape.fields.size > 0) {
    const fields = fieldsWriter(shape, plan, TOP)
    return {
      schema: fields.nodes,
      write(value) {
        if (value === null) fields.skip(0, 0)
        else fields.write(value, 0)
      },
      check(value) {
        if (value !== null) fields.check(value)
      },
    }
  }
  const only = nodeWriter(shape, plan, { ...TOP, name: 'value' })
  return {
    schema: [only.node],
    write(value) {
      if (value === null) only.skip(0, 0)
      else only.write(value, 0)
    },
    check(value) {
      if (value !== null) only.check(value)
    },
  }
}

function nodeWriter(shape: Shape, plan: Plan, place: NodePlace): JsonWriter {
  if (shape.kind === 'list') return listWriter(shape.items, plan, place)
  if (shape.kind === 'map') return mapWriter(shape.items, plan, place)
  if (shape.kind !== 'record') return scalarWriter(shape.kind === 'unknown' ? 'json' : shape.kind, plan, place)
  if (shape.fields.size === 0) return scalarWriter('json', plan, place)
  const depth = { definition: definitionOf(place), repetitionDepth: place.repetitionDepth }
  const { nodes, ...fields } = fieldsWriter(shape, plan, { ...TOP, ...depth })
  return { node: { name: place.name, repetition: place.repetition, children: nodes }, ...fields }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function fieldsWriter(
  { fields, isOpen }: Shape & { readonly kind: 'record' },
  plan: Plan,
  place: Omit<NodePlace, 'name'>,
): Omit<JsonWriter, 'node'> & { readonly nodes: readonly SchemaNode[] } {
  const { definition } = place
  const children = [...fields].map(([name, shape]) => ({ name, writer: nodeWriter(shape, plan, { ...place, name }) }))
  const rest = isOpen && !fields.has(REST) ? scalarWriter('json', plan, { ...place, name: REST }) : undefined
  const restOf = (value: Readonly<Record<string, unknown>>) => Object.keys(value).filter((name) => !fields.has(name))
  return {
    nodes: [...children.map(({ writer }) => writer.node), ...(rest ? [rest.node] : [])],
    write(value, rep) {
      const object = value as Readonly<Record<string, unknown>>
      for (const { name, writer } of children) {
        const field = Object.hasOwn(object, name) ? object[name] : null
        if (field === null || field === undefined) writer.skip(definition, rep)
        else writer.write(field, rep)
      }
      if (rest === undefined) return
      const names = restOf(object)
      if (names.length === 0) rest.skip(definition, rep)
      else rest.write(Object.fromEntries(names.map((name) => [name, object[name]])), rep)
    },
    skip(from, rep) {
      for (const { writer } of children) writer.skip(from, rep)
      rest?.skip(from, rep)
    },
    check(value) {
      if (!isObject(value)) throw unfit('it is no object where one should be')
      for (const { name, writer } of children) {
        const field = Object.hasOwn(value, name) ? value[name] : null
        if (field !== null && field !== undefined) writer.check(field)
      }
      if (!isOpen && restOf(value).length > 0) throw unfit('it has a property that there should not be')
    },
  }
}

function listWriter(items: Shape, plan: Plan, place: NodePlace): JsonWriter {
  const definition = definitionOf(place)
  const depth = place.repetitionDepth + 1
  const inner: NodePlace = { name: 'element', repetition: 'optional', definition: definition + 1, repetitionDepth: depth }
  const element = nodeWriter(items, plan, inner)
  return {
    node: listNode(place, element.node),
    write(value, rep) {
      const values = value as readonly unknown[]
      if (values.length === 0) element.skip(definition, rep)
      for (let i = 0; i < values.length; i++) {
        const item = values[i]
        if (item === null) element.skip(definition + 1, i === 0 ? rep : depth)
        else element.write(item, i === 0 ? rep : depth)
      }
    },
    skip: element.skip,
    check(value) {
      if (!Array.isArray(value)) throw unfit('it is no list where one should be')
      for (const item of value) if (item !== null) element.check(item)
    },
  }
}

function mapWriter(items: Shape, plan: Plan, place: NodePlace): JsonWriter {
  const definition = definitionOf(place)
  const depth = place.repetitionDepth + 1
  const inner: NodePlace = { name: 'key', repetition: 'required', definition: definition + 1, repetitionDepth: depth }
  const key = scalarWriter('string', plan, inner)
  const item = nodeWriter(items, plan, { ...inner, name: 'value', repetition: 'optional' })
  return {
    node: mapNode(place, key.node, item.node),
    write(value, rep) {
      const entries = Object.entries(value as Readonly<Record<string, unknown>>)
      if (entries.length === 0) {
        key.skip(definition, rep)
        item.skip(definition, rep)
      }
      for (const [i, [name, content]] of entries.entries()) {
        key.write(name, i === 0 ? rep : depth)
        if (content === null) item.skip(definition + 1, i === 0 ? rep : depth)
        else item.write(content, i === 0 ? rep : depth)
      }
    },
    skip(from, rep) {
      key.skip(from, rep)
      item.skip(from, rep)
    },
    check(value) {
      if (!isObject(value)) throw unfit('it is no object where one should be')
      for (const content of Object.values(value)) if (content !== null) item.check(content)
    },
  }
}

function scalarWriter(kind: keyof typeof scalars, plan: Plan, place: NodePlace): JsonWriter {
  const { leaf, put, fits } = scalars[kind]
  const { target } = plan
  const index = plan.leaves++
  const definition = definitionOf(place)
  return {
    node: leaf(place),
    write(value, rep) {
      const builder = target.columns[index]!
      put(builder, value)
      builder.addLevel(definition, rep)
    },
    skip(from, rep) {
      target.columns[index]!.addLevel(from, rep)
    },
    check(value) {
      if (!fits(value)) throw unfit(`it has ${Array.isArray(value) ? 'a list' : typeof value} where ${kind} should be`)
    },
  }
}
