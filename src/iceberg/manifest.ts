import type { Codec } from '../encode/block.ts'
import { MillpondError } from '../errors.ts'
import { readContainer, writeContainer } from './avro-container.ts'
import type { AvroValue } from './avro-encode.ts'
import type { DataFile } from './data-file.ts'
import type { Long } from './long-json.ts'
import { avroName, decimalBytes, ENTRY, FILE, manifestSchema } from './manifest-schema.ts'
import type { PartitionSpec, PartitionTuple } from './partition.ts'
import { decimalParts, type PrimitiveType, type Schema } from './schema.ts'
import { bigEndian, type Value } from './values.ts'

const STATUSES = ['existing', 'added', 'deleted'] as const

/** A file that a manifest names, and since when. Numbers that are null are those of the snapshot that adds the manifest. */
export interface ManifestEntry {
  readonly status: (typeof STATUSES)[number]
  readonly snapshotId: Long | null
  readonly sequence: Long | null
  readonly fileSequence: Long | null
  readonly file: DataFile
}

/** How the files of a manifest are partitioned. */
export interface ManifestSpec {
  readonly spec: PartitionSpec
  readonly types: readonly PrimitiveType[]
}

/** The object of a manifest. */
export function encodeManifest(
  schema: Schema,
  { spec, types }: ManifestSpec,
  entries: readonly ManifestEntry[],
  codec?: Codec,
): Promise<Uint8Array> {
  const metadata = {
    schema: JSON.stringify(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': JSON.stringify(spec.fields),
    'partition-spec-id': String(spec['spec-id']),
    'format-version': '2',
    content: 'data',
  }
  const records = entries.map((entry) => entryRecord(entry, spec, types))
  return writeContainer(manifestSchema(spec, types), metadata, records, codec)
}

function entryRecord(
  { status, snapshotId, sequence, fileSequence, file }: ManifestEntry,
  spec: PartitionSpec,
  types: readonly PrimitiveType[],
) {
  const partition = spec.fields.map((field, i): [string, AvroValue] => [
    avroName(field.name),
    partitionValue(types[i]!, file.partition[i] ?? null),
  ])
  return {
    status: STATUSES.indexOf(status),
    snapshot_id: snapshotId,
    sequence_number: sequence,
    file_sequence_number: fileSequence,
    data_file: {
      content: 0,
      file_path: file.path,
      file_format: file.format,
      partition: Object.fromEntries(partition),
      record_count: file.rows,
      file_size_in_bytes: file.bytes,
      column_sizes: pairs(file.columnBytes),
      value_counts: pairs(file.valueCounts),
      null_value_counts: pairs(file.nullCounts),
      nan_value_counts: pairs(file.nanCounts),
      lower_bounds: pairs(file.lowerBounds),
      upper_bounds: pairs(file.upperBounds),
      split_offsets: file.splitOffsets,
    },
  }
}

const pairs = (map: ReadonlyMap<number, AvroValue> | undefined): AvroValue =>
  map && [...map].sort(([left], [right]) => left - right).map(([key, value]) => ({ key, value }))

/** A decimal is as many bytes as its precision takes. */
function partitionValue(type: PrimitiveType, value: Value | null): AvroValue {
  const decimal = decimalParts(type)
  if (decimal === undefined || typeof value !== 'bigint') return value
  const bytes = Buffer.alloc(decimalBytes(decimal.precision))
  for (let at = bytes.length - 1, rest = value; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 255n)
  return bytes
}

/** Reads a manifest, whoever wrote it. @throws MillpondError `TABLE_CORRUPT`; `FORMAT_UNSUPPORTED` for one of deletes. */
export async function decodeManifest(bytes: Uint8Array, place: string, { spec, types }: ManifestSpec): Promise<ManifestEntry[]> {
  const { metadata, records } = await readContainer(bytes, place)
  if ((metadata.get('content') ?? 'data') !== 'data')
    throw new MillpondError('FORMAT_UNSUPPORTED', `${place} is a manifest of deletes`)
  return records.map((record) => {
    const entry = record as Record<string, unknown>
    const file = entry[ENTRY.dataFile] as Record<string, unknown>
    const status = STATUSES[Number(entry[ENTRY.status])]
    const path = file?.[FILE.path]
    if (status === undefined || typeof path !== 'string')
      throw new MillpondError('TABLE_CORRUPT', `${place}: an entry names no file`)
    return {
      status,
      snapshotId: longOf(entry[ENTRY.snapshotId]),
      sequence: longOf(entry[ENTRY.sequence]),
      fileSequence: longOf(entry[ENTRY.fileSequence]),
      file: fileOf(path, file, spec, types),
    }
  })
}

function fileOf(path: string, file: Record<string, unknown>, spec: PartitionSpec, types: readonly PrimitiveType[]): DataFile {
  const partition = file[FILE.partition] as Record<string, unknown>
  const splits = file[FILE.splitOffsets]
  return {
    path,
    format: String(file[FILE.format]),
    partition: spec.fields.map((field, i) => readValue(types[i]!, partition[String(field['field-id'])])) satisfies PartitionTuple,
    rows: Number(file[FILE.rows]),
    bytes: Number(file[FILE.bytes]),
    columnBytes: mapOf(file[FILE.columnBytes], Number),
    valueCounts: mapOf(file[FILE.valueCounts], Number),
    nullCounts: mapOf(file[FILE.nullCounts], Number),
    nanCounts: mapOf(file[FILE.nanCounts], Number),
    lowerBounds: mapOf(file[FILE.lowerBounds], (value) => value as Uint8Array),
    upperBounds: mapOf(file[FILE.upperBounds], (value) => value as Uint8Array),
    splitOffsets: Array.isArray(splits) ? splits.map(Number) : undefined,
  }
}

/** Bigints where the column's type has them. */
function readValue(type: PrimitiveType, value: unknown): Value | null {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return decimalParts(type) === undefined ? value : bigEndian(value)
  const isLong = type === 'long' || type.startsWith('time')
  return isLong && typeof value === 'number' ? BigInt(value) : (value as Value)
}

const longOf = (value: unknown): Long | null => (typeof value === 'number' || typeof value === 'bigint' ? value : null)

/** A map out of its pairs, whatever the ids of key and value are: they come in this order. */
function mapOf<T>(pairs: unknown, value: (value: unknown) => T): Map<number, T> | undefined {
  if (!Array.isArray(pairs)) return undefined
  return new Map(
    pairs.map((pair: Record<string, unknown>): [number, T] => {
      const [key, inner] = Object.entries(pair)
        .sort(([left], [right]) => Number(left) - Number(right))
        .map(([, one]) => one)
      return [Number(key), value(inner)]
    }),
  )
}
