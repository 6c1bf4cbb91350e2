import type { Shape } from '../values/shape.ts'
import type { GroupNode, LeafNode, LogicalType, Repetition, SchemaNode } from './parquet-schema.ts'

/** What a node is called, and how often it is there below its parent. */
interface NodeName {
  readonly name: string
  readonly repetition: Repetition
}

/** The schema of a column, as most are: with bounds, and a dictionary where it pays. */
export const leafNode = (
  { name, repetition }: NodeName,
  type: LeafNode['type'],
  logical?: LogicalType,
  more: Partial<Pick<LeafNode, 'encoding' | 'hasBounds' | 'typeLength'>> = {},
): LeafNode => ({
  name,
  repetition,
  type,
  encoding: type === 'BOOLEAN' || type === 'FLOAT' || type === 'DOUBLE' ? 'plain' : 'dictionary',
  hasBounds: true,
  ...(logical && { logical }),
  ...more,
})

/** A list in three levels, as readers expect it. Source: Apache Parquet format 2.12, LogicalTypes.md, "Lists". */
export const listNode = ({ name, repetition }: NodeName, element: SchemaNode): GroupNode => ({
  name,
  repetition,
  logical: { kind: 'list' },
  children: [{ name: 'list', repetition: 'repeated', children: [element] }],
})

/** A map. Source: Apache Parquet format 2.12, LogicalTypes.md, "Maps". */
export const mapNode = ({ name, repetition }: NodeName, key: SchemaNode, value: SchemaNode): GroupNode => ({
  name,
  repetition,
  logical: { kind: 'map' },
  children: [{ name: 'key_value', repetition: 'repeated', children: [key, value] }],
})

/** Shapes that are one column. */
export type LeafShape = Exclude<Shape, { readonly kind: 'list' | 'map' | 'record' | 'choice' | 'unknown' | 'nothing' }>

const WITHOUT_BOUNDS = { hasBounds: false } as const

/** The column of a shape. */
export function leafOf(shape: LeafShape, place: NodeName): LeafNode {
  switch (shape.kind) {
    case 'boolean':
      return leafNode(place, 'BOOLEAN')
    case 'int32':
      return leafNode(place, 'INT32')
    case 'date':
      return leafNode(place, 'INT32', { kind: 'date' })
    case 'int':
      return leafNode(place, 'INT64')
    case 'time':
      return leafNode(place, 'INT64', { kind: 'time', unit: 'micros', isUtc: false })
    case 'timestamp':
      return leafNode(place, 'INT64', { kind: 'timestamp', unit: shape.unit, isUtc: shape.isUtc }, { encoding: 'delta' })
    // Bounds would have to be found as unsigned numbers.
    case 'uint32':
      return leafNode(place, 'INT32', { kind: 'integer', bits: 32, isSigned: false }, WITHOUT_BOUNDS)
    case 'uint64':
      return leafNode(place, 'INT64', { kind: 'integer', bits: 64, isSigned: false }, WITHOUT_BOUNDS)
    case 'float':
      return leafNode(place, 'FLOAT')
    case 'double':
      return leafNode(place, 'DOUBLE')
    case 'string':
      return leafNode(place, 'BYTE_ARRAY', { kind: 'string' })
    case 'json':
      return leafNode(place, 'BYTE_ARRAY', { kind: 'json' }, WITHOUT_BOUNDS)
    case 'bytes':
      return leafNode(place, 'BYTE_ARRAY')
    case 'uuid':
      return leafNode(place, 'FIXED_LEN_BYTE_ARRAY', { kind: 'uuid' }, { typeLength: 16, hasBounds: false })
    case 'fixed':
      return leafNode(place, 'FIXED_LEN_BYTE_ARRAY', undefined, { typeLength: shape.size, hasBounds: false })
    case 'decimal': {
      const meaning = { kind: 'decimal', precision: shape.precision, scale: shape.scale } as const
      // Decimals are ordered as numbers, which these bytes are not by themselves.
      return shape.size === undefined
        ? leafNode(place, 'BYTE_ARRAY', meaning, WITHOUT_BOUNDS)
        : leafNode(place, 'FIXED_LEN_BYTE_ARRAY', meaning, { typeLength: shape.size, hasBounds: false })
    }
    default:
      throw new TypeError(`no shape ${String(shape satisfies never)}`)
  }
}
