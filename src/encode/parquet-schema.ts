/** The schema of a Parquet file. Source of all numbers: Apache Parquet format 2.12, `parquet.thrift`, read 2026-11. */
import { i32, i8, struct, text, type Thrift, truth } from './parquet-thrift.ts'

/** Types as they are stored, with their numbers. */
export const physicalTypes = {
  BOOLEAN: 0,
  INT32: 1,
  INT64: 2,
  FLOAT: 4,
  DOUBLE: 5,
  BYTE_ARRAY: 6,
  FIXED_LEN_BYTE_ARRAY: 7,
} as const

/** A type as it is stored. */
export type PhysicalType = keyof typeof physicalTypes

/** What a stored type means. */
export type LogicalType =
  | { readonly kind: 'string' | 'json' | 'enum' | 'date' | 'uuid' | 'list' | 'map' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'time' | 'timestamp'; readonly unit: 'millis' | 'micros' | 'nanos'; readonly isUtc: boolean }
  | { readonly kind: 'integer'; readonly bits: 8 | 16 | 32 | 64; readonly isSigned: boolean }

/** How often a node is there below its parent. */
export type Repetition = 'required' | 'optional' | 'repeated'

/** How the values of a leaf are written: `dictionary` where one pays, `delta` as one page of packed differences. */
export type LeafEncoding = 'plain' | 'dictionary' | 'delta'

interface NodeBase {
  readonly name: string
  readonly repetition: Repetition
  readonly logical?: LogicalType
  readonly fieldId?: number
}

/** A node with nodes below it. */
export interface GroupNode extends NodeBase {
  readonly children: readonly SchemaNode[]
}

/** A column. */
export interface LeafNode extends NodeBase {
  readonly type: PhysicalType
  /** Bytes of each value of FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength?: number
  readonly encoding: LeafEncoding
  /** Whether the smallest and largest value are written down. */
  readonly hasBounds: boolean
}

/** A node of the schema. */
export type SchemaNode = GroupNode | LeafNode

/** A column, and where it is. */
export interface LeafColumn extends LeafNode {
  readonly path: readonly string[]
  readonly maxDefinition: number
  readonly maxRepetition: number
}

/** The columns of a schema, in their order. */
export function leavesOf(nodes: readonly SchemaNode[]): LeafColumn[] {
  const leaves: LeafColumn[] = []
  const visit = (node: SchemaNode, path: readonly string[], definition: number, repetition: number) => {
    const own = [...path, node.name]
    const maxDefinition = definition + (node.repetition === 'required' ? 0 : 1)
    const maxRepetition = repetition + (node.repetition === 'repeated' ? 1 : 0)
    if ('children' in node) for (const child of node.children) visit(child, own, maxDefinition, maxRepetition)
    else leaves.push({ ...node, path: own, maxDefinition, maxRepetition })
  }
  for (const node of nodes) visit(node, [], 0, 0)
  return leaves
}

/** The schema as a footer has it: the root, then all nodes, parents before children. */
export function schemaElements(nodes: readonly SchemaNode[]): Thrift[] {
  const elements = [struct({ 4: text('schema'), 5: i32(nodes.length) })]
  const visit = (node: SchemaNode) => {
    elements.push(elementOf(node))
    if ('children' in node) node.children.forEach(visit)
  }
  nodes.forEach(visit)
  return elements
}

const repetitions: Record<Repetition, number> = { required: 0, optional: 1, repeated: 2 }

function elementOf(node: SchemaNode): Thrift {
  const { logical } = node
  const isLeaf = 'type' in node
  const converted = logical === undefined ? undefined : convertedType(logical)
  return struct({
    1: isLeaf ? i32(physicalTypes[node.type]) : undefined,
    2: isLeaf && node.typeLength !== undefined ? i32(node.typeLength) : undefined,
    3: i32(repetitions[node.repetition]),
    4: text(node.name),
    5: isLeaf ? undefined : i32(node.children.length),
    6: converted === undefined ? undefined : i32(converted),
    7: logical?.kind === 'decimal' ? i32(logical.scale) : undefined,
    8: logical?.kind === 'decimal' ? i32(logical.precision) : undefined,
    9: node.fieldId === undefined ? undefined : i32(node.fieldId),
    10: logical === undefined ? undefined : logicalType(logical),
  })
}

/** Types that have nothing beside their name: the field of their union, and the number that older readers go by. */
const namedTypes = {
  string: { field: 1, converted: 0 },
  map: { field: 2, converted: 1 },
  list: { field: 3, converted: 3 },
  enum: { field: 4, converted: 4 },
  date: { field: 6, converted: 6 },
  json: { field: 12, converted: 19 },
  uuid: { field: 14, converted: undefined },
} as const

const units = { millis: 1, micros: 2, nanos: 3 } as const

/** What readers older than logical types go by; undefined where they have nothing for it. */
function convertedType(logical: LogicalType): number | undefined {
  if (logical.kind === 'decimal') return 5
  if (logical.kind === 'integer') return (logical.isSigned ? 15 : 11) + Math.log2(logical.bits / 8)
  if (logical.kind !== 'time' && logical.kind !== 'timestamp') return namedTypes[logical.kind].converted
  if (!logical.isUtc || logical.unit === 'nanos') return undefined
  return (logical.kind === 'time' ? 7 : 9) + (logical.unit === 'millis' ? 0 : 1)
}

const NOTHING = struct({})

function logicalType(logical: LogicalType): Thrift {
  if (logical.kind === 'decimal') return struct({ 5: struct({ 1: i32(logical.scale), 2: i32(logical.precision) }) })
  if (logical.kind === 'integer') return struct({ 10: struct({ 1: i8(logical.bits), 2: truth(logical.isSigned) }) })
  if (logical.kind !== 'time' && logical.kind !== 'timestamp') return struct({ [namedTypes[logical.kind].field]: NOTHING })
  const time = struct({ 1: truth(logical.isUtc), 2: struct({ [units[logical.unit]]: NOTHING }) })
  return struct({ [logical.kind === 'time' ? 7 : 8]: time })
}
