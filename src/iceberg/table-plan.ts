import type { SegmentEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import { columnBounds, type ColumnBounds } from './column-bounds.ts'
import { type DataFile, dataFile } from './data-file.ts'
import { type Columns, firstColumns, mergeColumns, NO_ID, sameSchema } from './evolve.ts'
import { currentSchema, type NewTable, specsOf, type TableChange, type TableMetadata } from './metadata.ts'
import { NO_PARTITION_ID, partitionOf, type PartitionSpec, type Specs, specsFor } from './partition.ts'
import type { ParquetFooter } from './parquet-footer.ts'
import { fileColumns, type FileColumns } from './parquet-schema.ts'
import { type Field, nameMapping, type Schema } from './schema.ts'
import type { PartitionTerm } from './transform.ts'

/** A column that no file has: readers take it out of the partition. */
const LANE_COLUMN = '_lane'

/** A segment with its footer, as it is to be named by a table. */
export interface SegmentFile {
  readonly segment: SegmentEntry
  /** The lane that it is of. */
  readonly lane: string
  /** Its whole address. */
  readonly path: string
  readonly footer: ParquetFooter
  readonly columns: FileColumns
}

/** Reads the columns of a footer. @throws MillpondError `SEGMENT_CORRUPT` where it does not hold what its commit says. */
export function segmentFile(
  segment: SegmentEntry,
  place: { readonly lane: string; readonly path: string },
  footer: ParquetFooter,
): SegmentFile {
  if (footer.rows !== segment.count) {
    const message = `segment ${segment.key} has ${footer.rows} rows, and its commit says ${segment.count}`
    throw new MillpondError('SEGMENT_CORRUPT', message, { details: { key: segment.key } })
  }
  return { segment, ...place, footer, columns: fileColumns(footer.fields) }
}

/** The property that says how readers find columns in files without field ids. */
const NAME_MAPPING = 'schema.name-mapping.default'
/** The property that says whose table it is. */
export const TOPIC = 'millpond.topic'

/** Fields of a file; with the lane, where the table is to be partitioned by it and the file does not have it. */
function fieldsOf(file: SegmentFile, terms: readonly PartitionTerm[]): readonly Field[] {
  const { fields } = file.columns
  const wantsLane = terms.some(({ column }) => column === LANE_COLUMN) && fields.every(({ name }) => name !== LANE_COLUMN)
  return wantsLane ? [...fields, { id: NO_ID, name: LANE_COLUMN, required: false, type: 'string' }] : fields
}

/** A new table for these files. There is at least one. */
export function planTable(
  topic: string,
  location: string,
  files: readonly SegmentFile[],
  terms: readonly PartitionTerm[],
): NewTable {
  const columns = columnsFor(undefined, files, terms)
  const schema: Schema = { type: 'struct', 'schema-id': 0, fields: columns.fields }
  const specs = specsFor({ all: [], defaultId: 0, lastPartitionId: NO_PARTITION_ID }, schema, terms)
  return {
    location,
    schema,
    lastColumnId: columns.lastColumnId,
    spec: specs.all[0]!,
    properties: { [TOPIC]: topic, [NAME_MAPPING]: JSON.stringify(nameMapping(schema)) },
  }
}

function columnsFor(known: Columns | undefined, files: readonly SegmentFile[], terms: readonly PartitionTerm[]): Columns {
  let columns = known
  for (const file of files) {
    const fields = fieldsOf(file, terms)
    columns = columns === undefined ? firstColumns(fields) : mergeColumns(columns, fields)
  }
  return columns!
}

/** What a table needs so that these files can be in it: schema, specs and name mapping where they are not so already. */
export function planChange(metadata: TableMetadata, files: readonly SegmentFile[], terms: readonly PartitionTerm[]): TableChange {
  const current = currentSchema(metadata)
  const columns = { fields: current.fields, lastColumnId: metadata['last-column-id'] }
  const merged = columnsFor(columns, files, terms)
  const schema = merged === columns ? current : schemaWith(metadata, merged)
  const known = specsOf(metadata)
  // The second is for files that lie in several partitions; the first is the table's.
  const specs = specsFor(known, schema, terms)
  const { all } = specsFor(specs, schema, looseTerms(terms))
  const mapping = JSON.stringify(nameMapping(schema))
  return {
    ...(schema === current ? {} : { schema: { schema, lastColumnId: merged.lastColumnId } }),
    ...(all === known.all && specs.defaultId === known.defaultId
      ? {}
      : { specs: { added: all.slice(known.all.length), defaultId: specs.defaultId } }),
    ...(metadata.properties[NAME_MAPPING] === mapping ? {} : { properties: { [NAME_MAPPING]: mapping } }),
  }
}

function schemaWith({ schemas }: TableMetadata, { fields }: Columns): Schema {
  const id = Math.max(...schemas.map((one) => one['schema-id'])) + 1
  return sameSchema(schemas, fields) ?? { type: 'struct', 'schema-id': id, fields }
}

/** The entries of files in a table that has what `planChange` asked for, by the spec that each is partitioned by. */
export function planFiles(
  metadata: TableMetadata,
  files: readonly SegmentFile[],
  terms: readonly PartitionTerm[],
): {
  readonly added: readonly { readonly specId: number; readonly files: readonly DataFile[] }[]
  readonly unpartitioned: number
} {
  const schema = currentSchema(metadata)
  const [whole, loose] = specPair(specsOf(metadata), schema, terms)
  const entries = files.map((file) => {
    const bounds = withLane(columnBounds(file.footer, file.columns, schema), schema, file)
    const tuple = partitionOf(whole, bounds)
    const partition = tuple ?? partitionOf(loose, bounds)
    if (partition === undefined)
      throw new MillpondError('SCHEMA_CONFLICT', `${file.path} has a column ${LANE_COLUMN} of its own, which is not of one lane`)
    const entry = dataFile({ path: file.path, bytes: file.segment.bytes, partition }, file.footer, bounds)
    return { specId: (tuple === undefined ? loose : whole)['spec-id'], entry }
  })
  const groups = Map.groupBy(entries, ({ specId }) => specId)
  return {
    added: [...groups].map(([specId, some]) => ({ specId, files: some.map(({ entry }) => entry) })),
    unpartitioned: loose === whole ? 0 : (groups.get(loose['spec-id'])?.length ?? 0),
  }
}

/** The spec of the terms, and that of files which lie in several partitions. */
function specPair(specs: Specs, schema: Schema, terms: readonly PartitionTerm[]): readonly [PartitionSpec, PartitionSpec] {
  const ids = [terms, looseTerms(terms)].map((some) => specsFor(specs, schema, some).defaultId)
  const [whole, loose] = ids.map((id) => specs.all.find((spec) => spec['spec-id'] === id)!)
  return [whole!, loose!]
}

/** A column that no file has is in every partition. */
const looseTerms = (terms: readonly PartitionTerm[]): readonly PartitionTerm[] =>
  terms.filter(({ column, transform }) => column === LANE_COLUMN && transform === 'identity')

/** The lane is not null, though files do not have it. */
function withLane(
  bounds: ReadonlyMap<number, ColumnBounds>,
  schema: Schema,
  { lane, segment, columns }: SegmentFile,
): ReadonlyMap<number, ColumnBounds> {
  const field = schema.fields.find(({ name }) => name === LANE_COLUMN)
  if (field === undefined || columns.fields.some(({ name }) => name === LANE_COLUMN)) return bounds
  const { count: values } = segment
  const whole = { type: 'string', values, nulls: 0, nans: undefined, bytes: undefined, repeated: false } as const
  return new Map(bounds).set(field.id, { ...whole, min: lane, max: lane })
}
