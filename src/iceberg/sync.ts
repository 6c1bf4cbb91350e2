import type { Format } from '../encode/block.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import type { StoredCommit } from '../commit/commit.ts'
import { type Catalog, type LoadedTable, tableText, type TableName } from './catalog.ts'
import { changedMetadata, currentSnapshot, type TableChange } from './metadata.ts'
import { readParquetFooter } from './parquet-footer.ts'
import { isSamePositions, POSITIONS, type Positions, positionsOf, writePositions } from './positions.ts'
import { type TableStore, writeSnapshot } from './snapshot.ts'
import { planChange, planFiles, planTable, type SegmentFile, segmentFile, TOPIC } from './table-plan.ts'
import { findTails, mapAtOnce, readTail } from './tail.ts'
import type { PartitionTerm } from './transform.ts'

/** A topic and the table that follows it. */
export interface SyncOptions extends TableStore {
  readonly catalog: Catalog
  readonly topic: string
  readonly name: TableName
  /** The address that the table is made at, without `/` at its end. */
  readonly location: string
  readonly terms: readonly PartitionTerm[]
  /** Files of one snapshot, about: a commit is not divided. */
  readonly batchFiles?: number
  readonly nowMs?: () => number
  /** What earlier passes of this process saw; without it commits that hold nothing for a table are read again. */
  readonly seen?: SeenCommits
}

/** Chains whose newest commits hold nothing for a table: up to where, and what the table held then, by folder. */
export type SeenCommits = Map<string, { readonly held: number | undefined; readonly next: number }>

/** What one pass did. */
export interface SyncReport {
  readonly topic: string
  readonly table: string
  /** Where the metadata lies now; undefined where there is no table. */
  readonly metadata: string | undefined
  readonly snapshots: number
  readonly files: number
  readonly rows: number
  /** Files that lie in several partitions: they are named without. */
  readonly unpartitioned: number
  /** Segments of other formats, which no table can name. */
  readonly skipped: number
  /** Columns that a table cannot have. */
  readonly leftOut: readonly { readonly column: string; readonly reason: string }[]
}

const BATCH_FILES = 1000
const FOOTERS_AT_ONCE = 16
/** How often a snapshot is tried while others change the table. */
const ATTEMPTS = 10
const FORMATS: ReadonlySet<Format> = new Set(['parquet', 'value-parquet'])

interface NewSegment {
  readonly segment: SegmentEntry
  readonly lane: string
}

/** Some commits that are to be in one snapshot, and what the table holds before and after. */
interface Batch {
  readonly segments: readonly NewSegment[]
  readonly before: Positions
  readonly after: Positions
}

interface Run {
  readonly options: SyncOptions
  readonly signal: AbortSignal | undefined
  readonly leftOut: Map<string, string>
  snapshots: number
  files: number
  rows: number
  unpartitioned: number
  skipped: number
}

/**
 * Adds to the topic's table the Parquet segments of commits that it does not have. Each snapshot says up to where it holds each chain, and
 * becomes the table's only if nobody changed that meanwhile: so each segment is added once, whatever crashes and however many do this at once.
 * @throws MillpondError `TABLE_MISMATCH`, `SCHEMA_CONFLICT`, `TABLE_CONFLICT`, `CONFIG_INVALID`; what store, chain and catalogue throw.
 */
export async function syncTopic(options: SyncOptions, signal?: AbortSignal): Promise<SyncReport> {
  const { catalog, topic, name } = options
  const run: Run = { options, signal, leftOut: new Map(), snapshots: 0, files: 0, rows: 0, unpartitioned: 0, skipped: 0 }
  // Who is overtaken looks again at what is left.
  while ((await addNew(run)) === 'overtaken') signal?.throwIfAborted()
  const { snapshots, files, rows, unpartitioned, skipped } = run
  const metadata = (await catalog.load(name, signal))?.metadataFile
  const leftOut = [...run.leftOut].map(([column, reason]) => ({ column, reason }))
  return { topic, table: tableText(name), metadata, snapshots, files, rows, unpartitioned, skipped, leftOut }
}

async function addNew(run: Run): Promise<'done' | 'overtaken'> {
  const { catalog, name, topic } = run.options
  const table = await catalog.load(name, run.signal)
  if (table !== undefined) checkOwner(table, topic)
  run.skipped = 0
  for await (const batch of batchesOf(run, table === undefined ? {} : positionsOf(table.metadata)))
    if ((await addBatch(run, batch)) === 'overtaken') return 'overtaken'
  return 'done'
}

/** @throws MillpondError `TABLE_MISMATCH` for a table that somebody filled who is not the sync of this topic. */
function checkOwner({ metadata, name }: LoadedTable, topic: string): void {
  const owner = metadata.properties[TOPIC]
  if (owner === topic || (owner === undefined && currentSnapshot(metadata) === undefined)) return
  const whose = owner === undefined ? 'was not filled by Millpond' : `is that of the topic ${owner}`
  throw new MillpondError('TABLE_MISMATCH', `the table ${tableText(name)} ${whose}, not of ${topic}`, {
    details: { table: tableText(name), topic, owner },
  })
}

/** New commits, put together so that each batch has a good number of files. */
async function* batchesOf(run: Run, held: Positions): AsyncGenerator<Batch> {
  const { store, topic, batchFiles = BATCH_FILES, seen = new Map() as SeenCommits } = run.options
  const isSeen = Object.fromEntries(
    [...seen].flatMap(([folder, { held: then, next }]) => (held[folder] === then ? [[folder, next]] : [])),
  )
  const tails = await findTails(store, topic, { ...held, ...isSeen }, run.signal)
  let before = held
  let after: Record<string, number> = { ...held }
  let segments: NewSegment[] = []
  for (const tail of tails) {
    for await (const commit of readTail(store, tail, run.signal)) {
      segments.push(...parquetOf(run, commit))
      after[tail.folder] = commit.nextPosition
      if (segments.length < batchFiles) continue
      yield { segments, before, after }
      before = after
      after = { ...after }
      segments = []
    }
  }
  if (segments.length > 0) yield { segments, before, after }
  else for (const { folder } of tails) seen.set(folder, { held: before[folder], next: after[folder]! })
}

function parquetOf(run: Run, { segments, lane }: StoredCommit): NewSegment[] {
  const some = segments.filter(({ format }) => FORMATS.has(format))
  run.skipped += segments.length - some.length
  return some.map((segment) => ({ segment, lane }))
}

async function addBatch(run: Run, { segments, before, after }: Batch): Promise<'added' | 'overtaken'> {
  const { store, root } = run.options
  const files = await mapAtOnce(segments, FOOTERS_AT_ONCE, async ({ segment, lane }) =>
    segmentFile(segment, { lane, path: `${root}/${segment.key}` }, await readParquetFooter(store, segment, run.signal)),
  )
  for (const { column, reason } of files.flatMap(({ columns }) => columns.leftOut)) run.leftOut.set(column, reason)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    run.signal?.throwIfAborted()
    const table = await openTable(run, files)
    if (!isSamePositions(positionsOf(table.metadata), before)) return 'overtaken'
    if (await changeTable(run, table, files, after)) return 'added'
  }
  const text = tableText(run.options.name)
  throw new MillpondError('TABLE_CONFLICT', `others changed the table ${text} ${ATTEMPTS} times while files were to be added`, {
    details: { table: text },
  })
}

async function openTable({ options, signal }: Run, files: readonly SegmentFile[]): Promise<LoadedTable> {
  const { catalog, name, topic, location, terms } = options
  const table =
    (await catalog.load(name, signal)) ?? (await catalog.create(name, planTable(topic, location, files, terms), signal))
  checkOwner(table, topic)
  return table
}

/** Makes one snapshot; false where somebody else changed the table first. */
async function changeTable(run: Run, table: LoadedTable, files: readonly SegmentFile[], after: Positions): Promise<boolean> {
  const { options, signal } = run
  const { catalog, store, terms, topic, nowMs = Date.now } = options
  const needed = planChange(table.metadata, files, terms)
  const metadata = changedMetadata(table.metadata, needed, table.metadataFile, nowMs())
  const { added, unpartitioned } = planFiles(metadata, files, terms)
  const positions = writePositions(after)
  const draft = { added, summary: { [POSITIONS]: positions } }
  const { snapshot, keys } = await writeSnapshot(options, metadata, draft, { nowMs: nowMs(), signal })
  const change: TableChange = {
    ...needed,
    snapshot,
    properties: { ...needed.properties, [TOPIC]: topic, [POSITIONS]: positions },
  }
  const { outcome } = await catalog.change(table, change, signal)
  if (outcome === 'conflict') {
    for (const key of keys) await store.delete(key, signal)
    return false
  }
  run.snapshots++
  run.files += files.length
  run.rows += files.reduce((sum, { footer }) => sum + footer.rows, 0)
  run.unpartitioned += unpartitioned
  return true
}
