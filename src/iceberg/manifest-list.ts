import type { Codec } from '../encode/block.ts'
import { MillpondError } from '../errors.ts'
import { readContainer, writeContainer } from './avro-container.ts'
import type { Long } from './long-json.ts'
import type { ManifestEntry, ManifestSpec } from './manifest.ts'
import { manifestListSchema } from './manifest-schema.ts'
import { compareValues, type Value, valueBytes } from './values.ts'

/** What the partitions of a manifest's files lie between, for one field of its spec. */
export interface PartitionSummary {
  readonly containsNull: boolean
  readonly containsNan: boolean | null
  readonly lower: Uint8Array | null
  readonly upper: Uint8Array | null
}

/** A manifest as a manifest list has it. */
export interface ManifestFile {
  readonly path: string
  readonly bytes: number
  readonly specId: number
  /** 1 where it names deletes. */
  readonly content: number
  readonly sequence: Long
  readonly minSequence: Long
  readonly snapshotId: Long
  readonly added: Counted
  readonly existing: Counted
  readonly deleted: Counted
  readonly partitions: readonly PartitionSummary[] | null
  readonly keyMetadata: Uint8Array | null
}

interface Counted {
  readonly files: number
  readonly rows: number
}

/** The snapshot that a manifest list belongs to. */
export interface ListOwner {
  readonly snapshotId: Long
  readonly parentId: Long | undefined
  readonly sequence: number
}

/** The object of a manifest list. */
export function encodeManifestList(owner: ListOwner, manifests: readonly ManifestFile[], codec?: Codec): Promise<Uint8Array> {
  const metadata = {
    'snapshot-id': String(owner.snapshotId),
    'parent-snapshot-id': owner.parentId === undefined ? 'null' : String(owner.parentId),
    'sequence-number': String(owner.sequence),
    'format-version': '2',
  }
  return writeContainer(manifestListSchema, metadata, manifests.map(listRecord), codec)
}

const listRecord = (manifest: ManifestFile) => ({
  manifest_path: manifest.path,
  manifest_length: manifest.bytes,
  partition_spec_id: manifest.specId,
  content: manifest.content,
  sequence_number: manifest.sequence,
  min_sequence_number: manifest.minSequence,
  added_snapshot_id: manifest.snapshotId,
  added_files_count: manifest.added.files,
  existing_files_count: manifest.existing.files,
  deleted_files_count: manifest.deleted.files,
  added_rows_count: manifest.added.rows,
  existing_rows_count: manifest.existing.rows,
  deleted_rows_count: manifest.deleted.rows,
  partitions: manifest.partitions?.map(({ containsNull, containsNan, lower, upper }) => ({
    contains_null: containsNull,
    contains_nan: containsNan,
    lower_bound: lower,
    upper_bound: upper,
  })),
  key_metadata: manifest.keyMetadata,
})

/** Reads a manifest list, whoever wrote it. @throws MillpondError `TABLE_CORRUPT`. */
export async function decodeManifestList(bytes: Uint8Array, place: string): Promise<ManifestFile[]> {
  const { records } = await readContainer(bytes, place)
  return records.map((record) => {
    const entry = record as Record<string, unknown>
    const path = entry['500']
    if (typeof path !== 'string') throw new MillpondError('TABLE_CORRUPT', `${place}: an entry names no manifest`)
    const count = (files: string, rows: string): Counted => ({ files: Number(entry[files] ?? 0), rows: Number(entry[rows] ?? 0) })
    const partitions = entry['507']
    return {
      path,
      bytes: Number(entry['501']),
      specId: Number(entry['502']),
      content: Number(entry['517'] ?? 0),
      sequence: (entry['515'] ?? 0) as Long,
      minSequence: (entry['516'] ?? 0) as Long,
      snapshotId: entry['503'] as Long,
      added: count('504', '512'),
      existing: count('505', '513'),
      deleted: count('506', '514'),
      partitions: Array.isArray(partitions) ? partitions.map(summaryOf) : null,
      keyMetadata: (entry['519'] ?? null) as Uint8Array | null,
    }
  })
}

const summaryOf = (entry: Record<string, unknown>): PartitionSummary => ({
  containsNull: entry['509'] === true,
  containsNan: (entry['518'] ?? null) as boolean | null,
  lower: (entry['510'] ?? null) as Uint8Array | null,
  upper: (entry['511'] ?? null) as Uint8Array | null,
})

/** What lies between for each field of the partitions of some entries. */
export function summarisePartitions({ spec, types }: ManifestSpec, entries: readonly ManifestEntry[]): PartitionSummary[] {
  return spec.fields.map((_, i) => {
    const values = entries.map(({ file }) => file.partition[i] ?? null)
    const some = values.filter((value): value is Value => value !== null).sort(compareValues)
    const bytes = (value: Value | undefined) => (value === undefined ? null : valueBytes(types[i]!, value))
    return { containsNull: some.length < values.length, containsNan: null, lower: bytes(some[0]), upper: bytes(some.at(-1)) }
  })
}
