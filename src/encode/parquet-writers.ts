import type { ColumnBuilder } from './parquet-column.ts'
import type { LeafNode, LogicalType, Repetition, SchemaNode } from './parquet-schema.ts'

/** The columns of the row group that is filling, in the order of the schema. */
export interface ColumnTarget {
  columns: readonly ColumnBuilder[]
}

/** Writes the values of one node of the schema, from wherever they come. */
export interface NodeWriter {
  /** Undefined where the node has no column. */
  readonly node: SchemaNode | undefined
  /** Takes the next value. */
  readonly write: (repetition: number) => void
  /** Tells every column below that nothing is there from `definition` on. */
  readonly skip: (definition: number, repetition: number) => void
  /** Goes over the next value. @throws MillpondError `INPUT_INVALID` where it is none of the node. */
  readonly check: () => void
}

/** Where a node is: what it is called, whether it must be there, and the definition of its parent. */
export interface NodePlace {
  readonly name: string
  readonly repetition: Repetition
  readonly definition: number
  readonly repetitionDepth: number
}

/** The definition of a node that is there. */
export const definitionOf = ({ definition, repetition }: NodePlace): number => definition + (repetition === 'required' ? 0 : 1)

/** The schema of a column, as most are: with bounds, and a dictionary where it pays. */
export const leafNode = (
  { name, repetition }: Pick<NodePlace, 'name' | 'repetition'>,
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
export const listNode = ({ name, repetition }: NodePlace, element: SchemaNode): SchemaNode => ({
  name,
  repetition,
  logical: { kind: 'list' },
  children: [{ name: 'list', repetition: 'repeated', children: [element] }],
})

/** A map. Source: Apache Parquet format 2.12, LogicalTypes.md, "Maps". */
export const mapNode = ({ name, repetition }: NodePlace, key: SchemaNode, value: SchemaNode): SchemaNode => ({
  name,
  repetition,
  logical: { kind: 'map' },
  children: [{ name: 'key_value', repetition: 'repeated', children: [key, value] }],
})
