/** Which columns values of a shape have, and where in them each part of a value lies. */
import { ANYTHING, type RecordShape, type Shape } from '../values/shape.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { leafOf, type LeafShape, listNode, mapNode } from './parquet-nodes.ts'
import type { GroupNode, SchemaNode } from './parquet-schema.ts'

/** The columns of the row group that is filling, in the order of the schema. */
export interface ColumnTarget {
  columns: readonly ColumnBuilder[]
}

/** A part of the values: one column, or several that lie beside one another. */
export interface PlannedPart {
  readonly name: string
  /** What is written, which is JSON where columns cannot hold what the values are. */
  readonly shape: Shape
  /** Undefined where it has no column. */
  readonly node: SchemaNode | undefined
  /** Levels of a value that is there, and of one that is not while what it lies in is. */
  readonly definition: number
  readonly absent: number
  /** How often it lies in lists and maps. */
  readonly depth: number
  /** Its columns, from the first to before the last. */
  readonly from: number
  readonly to: number
  /** Of a record its fields, then what it has beside them; of a list its items; of a map keys and values; of a choice its members. */
  readonly parts: readonly PlannedPart[]
}

/** What an object has beside what its schema names. */
const REST = '__rest'

/** Columns for objects: one for each field, or where none of them has any, one named `value` for all. */
export function planColumns(shape: RecordShape): { readonly schema: readonly SchemaNode[]; readonly root: PlannedPart } {
  const place = { name: 'value', absent: 0, depth: 0, from: 0 }
  const parts = fieldParts(shape, { absent: 0, depth: 0, from: 0 })
  const to = endOf(parts, 0)
  if (to > 0) {
    const schema = parts.flatMap(({ node }) => node ?? [])
    return { schema, root: { ...place, shape, node: undefined, definition: 0, to, parts } }
  }
  const root = leaf({ kind: 'json', isRequired: shape.isRequired === true }, place)
  return { schema: [root.node!], root }
}

/** Tells all columns of a part that nothing is there from `definition` on. */
export function skipColumns({ columns }: ColumnTarget, { from, to }: PlannedPart, definition: number, repetition: number): void {
  for (let i = from; i < to; i++) columns[i]!.addLevel(definition, repetition)
}

type Place = Pick<PlannedPart, 'name' | 'absent' | 'depth' | 'from'>

const definitionOf = ({ isRequired }: Shape, { absent }: Pick<Place, 'absent'>): number =>
  isRequired === true ? absent : absent + 1
const endOf = (parts: readonly PlannedPart[], from: number): number => parts.at(-1)?.to ?? from

function partOf(shape: Shape, place: Place): PlannedPart {
  if (shape.kind === 'list') return listPart(shape, place)
  if (shape.kind === 'map') return mapPart(shape, place)
  if (shape.kind === 'record') return groupPart(shape, place, fieldParts(shape, inside(shape, place)))
  if (shape.kind === 'choice') return groupPart(shape, place, partsOf(shape.members, inside(shape, place)))
  if (shape.kind === 'unknown') return leaf({ ...shape, kind: 'json' }, place)
  if (shape.kind === 'nothing') return { ...place, shape, node: undefined, definition: place.absent, to: place.from, parts: [] }
  return leaf(shape, place)
}

const repetitionOf = ({ isRequired }: Shape) => (isRequired === true ? 'required' : 'optional')

function leaf(shape: LeafShape, place: Place): PlannedPart {
  const node = leafOf(shape, { name: place.name, repetition: repetitionOf(shape) })
  return { ...place, shape, node, definition: definitionOf(shape, place), to: place.from + 1, parts: [] }
}

type Inside = Omit<Place, 'name'>

const inside = (shape: Shape, place: Place): Inside => ({
  absent: definitionOf(shape, place),
  depth: place.depth,
  from: place.from,
})

function partsOf(shapes: Iterable<readonly [string, Shape]>, place: Inside): PlannedPart[] {
  const parts: PlannedPart[] = []
  for (const [name, shape] of shapes) parts.push(partOf(shape, { ...place, name, from: endOf(parts, place.from) }))
  return parts
}

function fieldParts({ fields, isOpen }: RecordShape, place: Inside): PlannedPart[] {
  const hasRest = isOpen && fields.size > 0 && !fields.has(REST)
  return partsOf(hasRest ? [...fields, [REST, ANYTHING] as const] : fields, place)
}

function groupPart(shape: Shape, place: Place, parts: readonly PlannedPart[]): PlannedPart {
  const to = endOf(parts, place.from)
  // A group without a column is none.
  if (to === place.from) return leaf({ kind: 'json', isRequired: shape.isRequired === true }, place)
  const children = parts.flatMap(({ node }) => node ?? [])
  const node: GroupNode = { name: place.name, repetition: repetitionOf(shape), children }
  return { ...place, shape, node, definition: definitionOf(shape, place), to, parts }
}

/** The shape of items and values of lists and maps; nulls alone have no column of their own. */
const itemShape = (items: Shape): Shape => (items.kind === 'nothing' ? ANYTHING : items)

function listPart(shape: Shape & { readonly kind: 'list' }, place: Place): PlannedPart {
  const definition = definitionOf(shape, place)
  const within = { absent: definition + 1, depth: place.depth + 1, from: place.from }
  const item = partOf(itemShape(shape.items), { ...within, name: 'element' })
  const node = listNode({ name: place.name, repetition: repetitionOf(shape) }, item.node!)
  return { ...place, shape, node, definition, to: item.to, parts: [item] }
}

function mapPart(shape: Shape & { readonly kind: 'map' }, place: Place): PlannedPart {
  const definition = definitionOf(shape, place)
  const within = { absent: definition + 1, depth: place.depth + 1, from: place.from }
  const key = leaf({ kind: 'string', isRequired: true }, { ...within, name: 'key' })
  const value = partOf(itemShape(shape.items), { ...within, name: 'value', from: key.to })
  const node = mapNode({ name: place.name, repetition: repetitionOf(shape) }, key.node!, value.node!)
  return { ...place, shape, node, definition, to: value.to, parts: [key, value] }
}
