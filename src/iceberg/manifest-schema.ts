/** The Avro schemas of manifests and manifest lists. Source: Apache Iceberg table specification, version 2, "Manifests", read 2026-11. */
import type { AvroField, AvroSchema } from './avro-encode.ts'
import type { PartitionSpec } from './partition.ts'
import { decimalParts, fixedBytes, type PrimitiveType } from './schema.ts'

/** Field ids of manifest entries and data files. */
export const ENTRY = { status: '0', snapshotId: '1', dataFile: '2', sequence: '3', fileSequence: '4' } as const
export const FILE = {
  content: '134',
  path: '100',
  format: '101',
  partition: '102',
  rows: '103',
  bytes: '104',
  columnBytes: '108',
  valueCounts: '109',
  nullCounts: '110',
  nanCounts: '137',
  lowerBounds: '125',
  upperBounds: '128',
  splitOffsets: '132',
} as const

const required = (id: number, name: string, type: AvroSchema): AvroField => ({ name, type, 'field-id': id })
const optional = (id: number, name: string, type: AvroSchema): AvroField & { readonly default: null } => ({
  name,
  type: ['null', type],
  'field-id': id,
  default: null,
})
const record = (name: string, fields: readonly AvroField[]) => ({ type: 'record' as const, name, fields })
const list = (elementId: number, items: AvroSchema) => ({ type: 'array' as const, items, 'element-id': elementId })
/** A map whose keys are no text: an array of pairs. */
const map = (keyId: number, valueId: number, value: AvroSchema) => ({
  type: 'array' as const,
  logicalType: 'map',
  items: record(`k${keyId}_v${valueId}`, [required(keyId, 'key', 'int'), required(valueId, 'value', value)]),
})

/** The schema of the entries of a manifest whose files lie in partitions of these types. */
export function manifestSchema(spec: PartitionSpec, types: readonly PrimitiveType[]): AvroSchema {
  const partition = spec.fields.map((field, i) => optional(field['field-id'], avroName(field.name), avroType(types[i]!)))
  return record('manifest_entry', [
    required(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    optional(4, 'file_sequence_number', 'long'),
    required(
      2,
      'data_file',
      record('r2', [
        required(134, 'content', 'int'),
        required(100, 'file_path', 'string'),
        required(101, 'file_format', 'string'),
        required(102, 'partition', record('r102', partition)),
        required(103, 'record_count', 'long'),
        required(104, 'file_size_in_bytes', 'long'),
        optional(108, 'column_sizes', map(117, 118, 'long')),
        optional(109, 'value_counts', map(119, 120, 'long')),
        optional(110, 'null_value_counts', map(121, 122, 'long')),
        optional(137, 'nan_value_counts', map(138, 139, 'long')),
        optional(125, 'lower_bounds', map(126, 127, 'bytes')),
        optional(128, 'upper_bounds', map(129, 130, 'bytes')),
        optional(131, 'key_metadata', 'bytes'),
        optional(132, 'split_offsets', list(133, 'long')),
        optional(135, 'equality_ids', list(136, 'int')),
        optional(140, 'sort_order_id', 'int'),
      ]),
    ),
  ])
}

/** The schema of the entries of a manifest list. */
export const manifestListSchema: AvroSchema = record('manifest_file', [
  required(500, 'manifest_path', 'string'),
  required(501, 'manifest_length', 'long'),
  required(502, 'partition_spec_id', 'int'),
  required(517, 'content', 'int'),
  required(515, 'sequence_number', 'long'),
  required(516, 'min_sequence_number', 'long'),
  required(503, 'added_snapshot_id', 'long'),
  required(504, 'added_files_count', 'int'),
  required(505, 'existing_files_count', 'int'),
  required(506, 'deleted_files_count', 'int'),
  required(512, 'added_rows_count', 'long'),
  required(513, 'existing_rows_count', 'long'),
  required(514, 'deleted_rows_count', 'long'),
  optional(
    507,
    'partitions',
    list(
      508,
      record('r508', [
        required(509, 'contains_null', 'boolean'),
        optional(518, 'contains_nan', 'boolean'),
        optional(510, 'lower_bound', 'bytes'),
        optional(511, 'upper_bound', 'bytes'),
      ]),
    ),
  ),
  optional(519, 'key_metadata', 'bytes'),
])

/** A name that Avro allows; readers find the field by its id. */
export const avroName = (name: string): string =>
  name
    .replaceAll(/[^A-Za-z0-9_]/gu, (letter) => `_x${letter.codePointAt(0)!.toString(16).toUpperCase()}`)
    .replace(/^(?=\d)/u, '_')

function avroType(type: PrimitiveType): AvroSchema {
  const decimal = decimalParts(type)
  if (decimal !== undefined) {
    const { precision, scale } = decimal
    const size = decimalBytes(precision)
    return { type: 'fixed', name: `decimal_${precision}_${scale}`, size, logicalType: 'decimal', precision, scale } as AvroSchema
  }
  const bytes = fixedBytes(type)
  if (bytes !== undefined) return { type: 'fixed', name: `fixed_${bytes}`, size: bytes }
  return avroTypes[type as keyof typeof avroTypes]
}

const avroTypes = {
  boolean: 'boolean',
  int: 'int',
  long: 'long',
  float: 'float',
  double: 'double',
  string: 'string',
  binary: 'bytes',
  date: { type: 'int', logicalType: 'date' },
  time: { type: 'long', logicalType: 'time-micros' },
  timestamp: { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false },
  timestamptz: { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true },
  uuid: { type: 'fixed', name: 'uuid_fixed', size: 16, logicalType: 'uuid' },
} as const

/** As few bytes as hold every decimal of that many digits. */
export function decimalBytes(precision: number): number {
  const largest = 10n ** BigInt(precision) - 1n
  let bytes = 1
  while (2n ** BigInt(8 * bytes - 1) - 1n < largest) bytes++
  return bytes
}
