/** Values of Avro as columns: the schema becomes a plan of small functions that read a value where it lies. */
import { isAscii } from 'node:buffer'
import { AvroCursor, unfit } from './avro-cursor.ts'
import { type AvroField, type AvroType, leastBytes, parseAvroSchema } from './avro-types.ts'
import { jsonWriter, leafWriter, nothing, type Plan, textWriter } from './parquet-avro-leaves.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import { type ColumnTarget, definitionOf, listNode, mapNode, type NodePlace, type NodeWriter } from './parquet-writers.ts'

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
