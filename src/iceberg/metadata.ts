import { MillpondError } from '../errors.ts'
import { isSameLong, type Long, parseLongJson } from './long-json.ts'
import { NO_PARTITION_ID, type PartitionSpec, type Specs } from './partition.ts'
import type { Schema } from './schema.ts'

/** One state of a table, in the form that its metadata has it. */
export interface Snapshot {
  readonly 'snapshot-id': Long
  readonly 'parent-snapshot-id'?: Long
  readonly 'sequence-number': number
  readonly 'timestamp-ms': number
  readonly 'manifest-list': string
  readonly summary: Readonly<Record<string, string>>
  readonly 'schema-id'?: number
}

interface SnapshotRef {
  readonly 'snapshot-id': Long
  readonly type: string
}

/** The metadata of a table, in its own form. What is not named here is kept as it is. */
export interface TableMetadata {
  readonly 'format-version': 2
  readonly 'table-uuid': string
  readonly location: string
  readonly 'last-sequence-number': number
  readonly 'last-updated-ms': number
  readonly 'last-column-id': number
  readonly 'current-schema-id': number
  readonly schemas: readonly Schema[]
  readonly 'default-spec-id': number
  readonly 'partition-specs': readonly PartitionSpec[]
  readonly 'last-partition-id': number
  readonly 'default-sort-order-id': number
  readonly 'sort-orders': readonly { readonly 'order-id': number; readonly fields: readonly unknown[] }[]
  readonly properties: Readonly<Record<string, string>>
  readonly 'current-snapshot-id'?: Long | null
  readonly snapshots: readonly Snapshot[]
  readonly 'snapshot-log': readonly { readonly 'snapshot-id': Long; readonly 'timestamp-ms': number }[]
  readonly 'metadata-log': readonly { readonly 'metadata-file': string; readonly 'timestamp-ms': number }[]
  readonly refs: Readonly<Record<string, SnapshotRef>>
}

/** What a new table is. */
export interface NewTable {
  readonly location: string
  readonly schema: Schema
  readonly lastColumnId: number
  readonly spec: PartitionSpec
  readonly properties: Readonly<Record<string, string>>
}

/** What one commit changes; what is left out stays. */
export interface TableChange {
  readonly schema?: { readonly schema: Schema; readonly lastColumnId: number }
  /** Specs that are new, and which one is the default. */
  readonly specs?: { readonly added: readonly PartitionSpec[]; readonly defaultId: number }
  /** Properties that are new or other. */
  readonly properties?: Readonly<Record<string, string>>
  readonly snapshot?: Snapshot
}

/** The metadata of a table without snapshots. `uuid` names it for ever. */
export function newMetadata(
  { location, schema, lastColumnId, spec, properties }: NewTable,
  uuid: string,
  nowMs: number,
): TableMetadata {
  return {
    'format-version': 2,
    'table-uuid': uuid,
    location,
    'last-sequence-number': 0,
    'last-updated-ms': nowMs,
    'last-column-id': lastColumnId,
    'current-schema-id': schema['schema-id'],
    schemas: [schema],
    'default-spec-id': spec['spec-id'],
    'partition-specs': [spec],
    'last-partition-id': Math.max(NO_PARTITION_ID, ...spec.fields.map((field) => field['field-id'])),
    'default-sort-order-id': 0,
    'sort-orders': [{ 'order-id': 0, fields: [] }],
    properties,
    snapshots: [],
    'snapshot-log': [],
    'metadata-log': [],
    refs: {},
  }
}

/** Metadata files that the log names, unless the table says another number. */
const LOGGED_FILES = 100

/** The metadata after a change. `previousFile` is where it lay before. */
export function changedMetadata(base: TableMetadata, change: TableChange, previousFile: string, nowMs: number): TableMetadata {
  const { schema, specs, properties, snapshot } = change
  const updatedMs = Math.max(nowMs, base['last-updated-ms'], snapshot?.['timestamp-ms'] ?? 0)
  const log = [...base['metadata-log'], { 'metadata-file': previousFile, 'timestamp-ms': base['last-updated-ms'] }]
  const kept = Number(base.properties['write.metadata.previous-versions-max'] ?? LOGGED_FILES)
  const partitionIds = (specs?.added ?? []).flatMap(({ fields }) => fields.map((field) => field['field-id']))
  const isNew = schema !== undefined && base.schemas.every((one) => one['schema-id'] !== schema.schema['schema-id'])
  return {
    ...base,
    'last-updated-ms': updatedMs,
    'metadata-log': log.slice(-Math.max(1, kept)),
    ...(schema && {
      'last-column-id': schema.lastColumnId,
      'current-schema-id': schema.schema['schema-id'],
      schemas: isNew ? [...base.schemas, schema.schema] : base.schemas,
    }),
    ...(specs && {
      'partition-specs': [...base['partition-specs'], ...specs.added],
      'default-spec-id': specs.defaultId,
      'last-partition-id': Math.max(base['last-partition-id'], ...partitionIds),
    }),
    ...(properties && { properties: { ...base.properties, ...properties } }),
    ...(snapshot && snapshotChange(base, snapshot)),
  }
}

function snapshotChange(base: TableMetadata, snapshot: Snapshot): Partial<TableMetadata> {
  const id = snapshot['snapshot-id']
  return {
    'last-sequence-number': snapshot['sequence-number'],
    'current-snapshot-id': id,
    snapshots: [...base.snapshots, snapshot],
    'snapshot-log': [...base['snapshot-log'], { 'snapshot-id': id, 'timestamp-ms': snapshot['timestamp-ms'] }],
    refs: { ...base.refs, main: { ...base.refs['main'], 'snapshot-id': id, type: 'branch' } },
  }
}

/** The newest state of a table; undefined where it has none. */
export function currentSnapshot({ snapshots, refs, 'current-snapshot-id': current }: TableMetadata): Snapshot | undefined {
  const id = refs['main']?.['snapshot-id'] ?? current ?? undefined
  return id === undefined ? undefined : findSnapshot(snapshots, id)
}

/** The snapshot of this id. */
export const findSnapshot = (snapshots: readonly Snapshot[], id: Long | undefined): Snapshot | undefined =>
  snapshots.find((snapshot) => isSameLong(snapshot['snapshot-id'], id))

/** The schema that files are added under. */
export function currentSchema({ schemas, 'current-schema-id': id, location }: TableMetadata): Schema {
  const schema = schemas.find((one) => one['schema-id'] === id)
  if (schema === undefined) throw new MillpondError('TABLE_CORRUPT', `the table ${location} has no schema ${id}`)
  return schema
}

/** How the table is partitioned. */
export const specsOf = (metadata: TableMetadata): Specs => ({
  all: metadata['partition-specs'],
  defaultId: metadata['default-spec-id'],
  lastPartitionId: metadata['last-partition-id'],
})

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Reads the metadata of a table. `place` names it in errors.
 * @throws MillpondError `TABLE_CORRUPT`; `FORMAT_UNSUPPORTED` for a table of another version than 2.
 */
export const parseMetadata = (text: string, place: string): TableMetadata => checkMetadata(parseLongJson(text, place), place)

/** As `parseMetadata`, for what was read already. */
export function checkMetadata(value: unknown, place: string): TableMetadata {
  const corrupt = (what: string) => new MillpondError('TABLE_CORRUPT', `${place} ${what}`, { details: { place } })
  if (!isRecord(value)) throw corrupt('is no table metadata')
  const version = value['format-version']
  if (version !== 2)
    throw new MillpondError(
      'FORMAT_UNSUPPORTED',
      `${place} is a table of format version ${String(version)}; Millpond writes version 2`,
    )
  for (const name of [
    'last-sequence-number',
    'last-column-id',
    'current-schema-id',
    'default-spec-id',
    'last-partition-id',
    'last-updated-ms',
  ])
    if (!Number.isSafeInteger(value[name])) throw corrupt(`has no ${name}`)
  for (const name of ['schemas', 'partition-specs']) if (!Array.isArray(value[name])) throw corrupt(`has no ${name}`)
  for (const name of ['table-uuid', 'location']) if (typeof value[name] !== 'string') throw corrupt(`has no ${name}`)
  // What the specification lets be left out.
  const empty = { properties: {}, snapshots: [], 'snapshot-log': [], 'metadata-log': [], refs: {} }
  const given = Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null))
  return { ...empty, ...given } as unknown as TableMetadata
}
