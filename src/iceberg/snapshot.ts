import { randomBytes, randomUUID } from 'node:crypto'
import type { Codec } from '../encode/block.ts'
import { MillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { DataFile } from './data-file.ts'
import type { Long } from './long-json.ts'
import { decodeManifest, encodeManifest, type ManifestEntry, type ManifestSpec } from './manifest.ts'
import { decodeManifestList, encodeManifestList, type ManifestFile, summarisePartitions } from './manifest-list.ts'
import { currentSchema, currentSnapshot, type Snapshot, type TableMetadata } from './metadata.ts'
import { partitionTypes } from './partition.ts'

/** The store that a table's files lie in, and its address without `/` at the end. */
export interface TableStore {
  readonly store: Store
  readonly root: string
}

/** What the next snapshot of a table changes. */
export interface SnapshotDraft {
  /** Files by the spec that they are partitioned by. */
  readonly added: readonly { readonly specId: number; readonly files: readonly DataFile[] }[]
  /** Addresses of files that the table no longer names. */
  readonly removed?: ReadonlySet<string>
  readonly summary: Readonly<Record<string, string>>
}

/** A snapshot whose objects are in the store, and the keys of those that are new: garbage where the snapshot does not become the table's. */
export interface WrittenSnapshot {
  readonly snapshot: Snapshot
  readonly keys: readonly string[]
}

/** With so many manifests small ones are merged, unless the table says another number. */
const MERGE_COUNT = 100
/** Manifests are merged up to this size, unless the table says another. */
const MERGE_BYTES = 8 * 1024 * 1024

/** The key of what lies at an address. @throws MillpondError `TABLE_MISMATCH` where it lies outside the store. */
export function keyOf({ root }: Pick<TableStore, 'root'>, address: string): string {
  if (address.startsWith(`${root}/`)) return address.slice(root.length + 1)
  throw new MillpondError('TABLE_MISMATCH', `${address} is not in the store ${root}`, { details: { address, root } })
}

/**
 * Writes manifests and the manifest list of the next snapshot; `metadata` has the schema and specs already that the files need.
 * @throws MillpondError `TABLE_MISMATCH` where a removed file is not in the table.
 */
export async function writeSnapshot(
  place: TableStore,
  metadata: TableMetadata,
  draft: SnapshotDraft,
  { nowMs, signal }: { readonly nowMs: number; readonly signal?: AbortSignal | undefined },
): Promise<WrittenSnapshot> {
  const parent = currentSnapshot(metadata)
  // 53 bits: other programs read them as doubles.
  const id = Number(BigInt(`0x${randomBytes(8).toString('hex')}`) >> 11n) || 1
  const sequence = metadata['last-sequence-number'] + 1
  const folder = `${metadata.location}/metadata`
  const writing: Writing = { ...place, metadata, id, sequence, folder, name: randomUUID(), keys: [], signal }
  const before =
    parent === undefined ? [] : await decodeManifestList(await readAt(writing, parent['manifest-list']), parent['manifest-list'])
  const { manifests, removed } = await removeFiles(writing, before, draft.removed ?? new Set())
  const added: ManifestFile[] = []
  for (const { specId, files } of draft.added) {
    const entries = files.map((file): ManifestEntry => ({
      status: 'added',
      snapshotId: id,
      sequence: null,
      fileSequence: null,
      file,
    }))
    if (entries.length > 0) added.push(await writeManifest(writing, specId, entries))
  }
  const merged = await mergeManifests(writing, [...added, ...manifests])
  const parentId = parent?.['snapshot-id']
  const list = `${folder}/snap-${id}-1-${writing.name}.avro`
  await put(writing, list, await encodeManifestList({ snapshotId: id, parentId, sequence }, merged, codecOf(metadata)))
  const snapshot: Snapshot = {
    'snapshot-id': id,
    ...(parentId === undefined ? {} : { 'parent-snapshot-id': parentId }),
    'sequence-number': sequence,
    'timestamp-ms': Math.max(nowMs, metadata['last-updated-ms']),
    'manifest-list': list,
    summary: {
      ...summaryOf(
        parent,
        draft.added.flatMap(({ files }) => files),
        removed,
      ),
      ...draft.summary,
    },
    'schema-id': metadata['current-schema-id'],
  }
  return { snapshot, keys: writing.keys }
}

const CODECS: Readonly<Record<string, Codec>> = { gzip: 'deflate', zstd: 'zstandard', snappy: 'snappy', uncompressed: 'null' }

/** The compression of manifests, by the name that tables have for it. */
const codecOf = ({ properties }: TableMetadata): Codec | undefined => CODECS[properties['write.avro.compression-codec'] ?? 'gzip']

interface Writing extends TableStore {
  readonly metadata: TableMetadata
  readonly id: number
  readonly sequence: number
  readonly folder: string
  readonly name: string
  readonly keys: string[]
  readonly signal: AbortSignal | undefined
}

const readAt = (writing: Writing, address: string): Promise<Uint8Array> =>
  writing.store.read(keyOf(writing, address), undefined, writing.signal)

async function put(writing: Writing, address: string, bytes: Uint8Array): Promise<void> {
  const key = keyOf(writing, address)
  writing.keys.push(key)
  await writing.store.putIfAbsent(key, bytes, writing.signal)
}

function manifestSpec({ metadata }: Writing, specId: number): ManifestSpec {
  const spec = metadata['partition-specs'].find((one) => one['spec-id'] === specId)
  if (spec === undefined)
    throw new MillpondError('TABLE_CORRUPT', `the table ${metadata.location} has no partition spec ${specId}`)
  return { spec, types: partitionTypes(spec, metadata.schemas) }
}

async function writeManifest(writing: Writing, specId: number, entries: readonly ManifestEntry[]): Promise<ManifestFile> {
  const spec = manifestSpec(writing, specId)
  const path = `${writing.folder}/${writing.name}-m${writing.keys.length}.avro`
  const bytes = await encodeManifest(currentSchema(writing.metadata), spec, entries, codecOf(writing.metadata))
  await put(writing, path, bytes)
  const counted = (status: ManifestEntry['status']) => {
    const some = entries.filter((entry) => entry.status === status)
    return { files: some.length, rows: some.reduce((sum, { file }) => sum + file.rows, 0) }
  }
  return {
    path,
    bytes: bytes.byteLength,
    specId,
    content: 0,
    sequence: writing.sequence,
    minSequence: entries.reduce<Long>(
      (least, { sequence }) => (sequence !== null && sequence < least ? sequence : least),
      writing.sequence,
    ),
    snapshotId: writing.id,
    added: counted('added'),
    existing: counted('existing'),
    deleted: counted('deleted'),
    partitions: summarisePartitions(spec, entries),
    keyMetadata: null,
  }
}

/** The entries of a manifest with the numbers that they have of it. */
async function entriesOf(writing: Writing, manifest: ManifestFile): Promise<ManifestEntry[]> {
  const entries = await decodeManifest(
    await readAt(writing, manifest.path),
    manifest.path,
    manifestSpec(writing, manifest.specId),
  )
  return entries.map((entry) => ({
    ...entry,
    snapshotId: entry.snapshotId ?? manifest.snapshotId,
    sequence: entry.sequence ?? manifest.sequence,
    fileSequence: entry.fileSequence ?? manifest.sequence,
  }))
}

const isLive = ({ status }: ManifestEntry): boolean => status !== 'deleted'

/** Manifests in which files are named as deleted; those that name none of them stay as they are. */
async function removeFiles(
  writing: Writing,
  manifests: readonly ManifestFile[],
  paths: ReadonlySet<string>,
): Promise<{ manifests: readonly ManifestFile[]; removed: DataFile[] }> {
  if (paths.size === 0) return { manifests, removed: [] }
  const kept: ManifestFile[] = []
  const removed: DataFile[] = []
  for (const manifest of manifests) {
    const entries = manifest.content === 0 ? (await entriesOf(writing, manifest)).filter(isLive) : []
    const gone = entries.filter(({ file }) => paths.has(file.path))
    removed.push(...gone.map(({ file }) => file))
    if (gone.length === 0) {
      kept.push(manifest)
      continue
    }
    const rewritten = entries.map((entry): ManifestEntry =>
      paths.has(entry.file.path) ? { ...entry, status: 'deleted', snapshotId: writing.id } : { ...entry, status: 'existing' },
    )
    kept.push(await writeManifest(writing, manifest.specId, rewritten))
  }
  if (removed.length < paths.size) {
    const missing = [...paths].find((path) => removed.every((file) => file.path !== path))
    throw new MillpondError('TABLE_MISMATCH', `the table ${writing.metadata.location} does not name ${missing}`)
  }
  return { manifests: kept, removed }
}

/** Puts small manifests of one spec together once there are many: a reader opens each. */
async function mergeManifests(writing: Writing, manifests: readonly ManifestFile[]): Promise<readonly ManifestFile[]> {
  const { properties } = writing.metadata
  const minCount = Number(properties['commit.manifest.min-count-to-merge'] ?? MERGE_COUNT)
  const maxBytes = Number(properties['commit.manifest.target-size-bytes'] ?? MERGE_BYTES)
  if (manifests.length < minCount) return manifests
  const result: ManifestFile[] = []
  for (const group of Map.groupBy(manifests, ({ content, specId }) => `${content} ${specId}`).values())
    for (const bin of group[0]!.content === 0 ? binsOf(group, maxBytes) : group.map((one) => [one]))
      result.push(...(bin.length === 1 ? bin : [await mergeBin(writing, bin)]))
  return result
}

function binsOf(manifests: readonly ManifestFile[], maxBytes: number): ManifestFile[][] {
  const bins: ManifestFile[][] = []
  let bytes = Infinity
  for (const manifest of manifests) {
    if (bytes + manifest.bytes > maxBytes) {
      bins.push([])
      bytes = 0
    }
    bins.at(-1)!.push(manifest)
    bytes += manifest.bytes
  }
  return bins
}

async function mergeBin(writing: Writing, bin: readonly ManifestFile[]): Promise<ManifestFile> {
  const entries: ManifestEntry[] = []
  for (const manifest of bin) {
    const isOurs = manifest.snapshotId === writing.id
    // What this snapshot adds or removes is told as such; what others removed is gone.
    for (const entry of await entriesOf(writing, manifest)) {
      const isNew = isOurs && entry.status === 'added'
      if (isNew) entries.push({ ...entry, sequence: null, fileSequence: null })
      else if (isLive(entry)) entries.push({ ...entry, status: 'existing' })
      else if (isOurs) entries.push(entry)
    }
    // Nothing names it any more, and nothing did before.
    if (isOurs) await writing.store.delete(keyOf(writing, manifest.path), writing.signal)
  }
  return writeManifest(writing, bin[0]!.specId, entries)
}

/** What a snapshot with so many files and rows more, and so many less, is. */
function operationOf([files, rows]: readonly number[], [lostFiles, lostRows]: readonly number[]): Snapshot['summary'][string] {
  if (lostFiles === 0) return 'append'
  if (files === 0) return 'delete'
  return rows === lostRows ? 'replace' : 'overwrite'
}

const TOTALS = ['total-data-files', 'total-records', 'total-files-size'] as const

/** What a snapshot says of itself, as other engines count it. */
function summaryOf(
  parent: Snapshot | undefined,
  added: readonly DataFile[],
  removed: readonly DataFile[],
): Record<string, string> {
  const counts = (files: readonly DataFile[]) => [
    files.length,
    files.reduce((sum, { rows }) => sum + rows, 0),
    files.reduce((sum, { bytes }) => sum + bytes, 0),
  ]
  const [plus, minus] = [counts(added), counts(removed)]
  const names = (word: string) => [
    `${word}-data-files`,
    word === 'added' ? 'added-records' : 'deleted-records',
    `${word === 'added' ? 'added' : 'removed'}-files-size`,
  ]
  const told = (word: string, some: readonly number[]) =>
    names(word).flatMap((name, i): [string, string][] => (some[i] === 0 ? [] : [[name, String(some[i])]]))
  const totals = TOTALS.flatMap((name, i): [string, string][] => {
    const before = parent === undefined ? '0' : parent.summary[name]
    return before === undefined ? [] : [[name, String(Number(before) + plus[i]! - minus[i]!)]]
  })
  const deletes = ['total-delete-files', 'total-position-deletes', 'total-equality-deletes'].map((name): [string, string] => [
    name,
    parent?.summary[name] ?? '0',
  ])
  return {
    operation: operationOf(plus, minus),
    ...Object.fromEntries([...told('added', plus), ...told('deleted', minus), ...totals, ...deletes]),
  }
}
