import type { Format } from '../encode/block.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import type { StoredCommit } from '../commit/commit.ts'
import { type RewriteLink, withRewrites } from '../commit/rewrites.ts'
import { type Catalog, type LoadedTable, tableText, type TableName } from './catalog.ts'
import { changedMetadata, currentSnapshot, type TableChange } from './metadata.ts'
import { readParquetFooter } from './parquet-footer.ts'
import { type Held, heldBy, isSameHeld, NOTHING_HELD, writeHeld } from './positions.ts'
import { type ChainRewrites, changeOf, readTopicRewrites } from './rewritten.ts'
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
  /** Rewrites that earlier passes of this process read. */
  readonly rewrites?: ChainRewrites
}

/** Chains whose newest commits hold nothing for a table: up to where, and what the table held then, by folder. */
export type SeenCommits = Map<string, { readonly held: number | undefined; readonly next: number; readonly rewrites: number }>

/** What one pass did. */
export interface SyncReport {
  readonly topic: string
  readonly table: string
  /** Where the metadata lies now; undefined where there is no table. */
  readonly metadata: string | undefined
  readonly snapshots: number
  readonly files: number
  readonly rows: number
  /** Files that are no longer named, for a rewrite has replaced them. */
  readonly replaced: number
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
  /** Those that are no longer to be named. */
  readonly removed: readonly SegmentEntry[]
  readonly before: Held
  readonly after: Held
}

interface Run {
  readonly options: SyncOptions
  readonly signal: AbortSignal | undefined
  readonly leftOut: Map<string, string>
  snapshots: number
  files: number
  rows: number
  replaced: number
  unpartitioned: number
  skipped: number
}

/**
 * Adds to the topic's table the Parquet segments of commits that it does not have, and puts those of rewrites in the place of what they replace. Each
 * snapshot says up to where it holds each chain, with which of its rewrites, and
 * becomes the table's only if nobody changed that meanwhile: so each segment is added once, whatever crashes and however many do this at once.
 * @throws MillpondError `TABLE_MISMATCH`, `SCHEMA_CONFLICT`, `TABLE_CONFLICT`, `CONFIG_INVALID`; what store, chain and catalogue throw.
 */
export async function syncTopic(options: SyncOptions, signal?: AbortSignal): Promise<SyncReport> {
  const { catalog, topic, name } = options
  const counts = { snapshots: 0, files: 0, rows: 0, replaced: 0, unpartitioned: 0, skipped: 0 }
  const run: Run = { options, signal, leftOut: new Map(), ...counts }
  // Who is overtaken looks again at what is left.
  while ((await addNew(run)) === 'overtaken') signal?.throwIfAborted()
  const { snapshots, files, rows, replaced, unpartitioned, skipped } = run
  const metadata = (await catalog.load(name, signal))?.metadataFile
  const leftOut = [...run.leftOut].map(([column, reason]) => ({ column, reason }))
  return { topic, table: tableText(name), metadata, snapshots, files, rows, replaced, unpartitioned, skipped, leftOut }
}

async function addNew(run: Run): Promise<'done' | 'overtaken'> {
  const { catalog, name, topic } = run.options
  const table = await catalog.load(name, run.signal)
  if (table !== undefined) checkOwner(table, topic)
  run.skipped = 0
  for await (const batch of batchesOf(run, table === undefined ? NOTHING_HELD : heldBy(table.metadata)))
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

/** What rewrites have changed, and new commits, put together so that each batch has a good number of files. */
async function* batchesOf(run: Run, held: Held): AsyncGenerator<Batch> {
  const { store, topic, batchFiles = BATCH_FILES, seen = new Map() as SeenCommits } = run.options
  // First the rewrites, then the commits: those that they replace are there by then.
  const links = await readTopicRewrites(store, topic, run.options.rewrites ?? new Map(), run.signal)
  const change = await rewrittenBatch(run, held, links, seen)
  const isChanged = change.segments.length + change.removed.length > 0
  if (isChanged) yield change
  const counted = (folder: string) => links.get(folder)?.length ?? 0
  const isSeen = [...seen].flatMap(([folder, { held: then, next, rewrites }]) =>
    change.after.positions[folder] === then && rewrites === counted(folder) ? [[folder, next]] : [],
  )
  const tails = await findTails(store, topic, { ...change.after.positions, ...Object.fromEntries(isSeen) }, run.signal)
  const rewrites = Object.fromEntries([...links].map(([folder, { length }]) => [folder, length]))
  let before = isChanged ? change.after : held
  let positions: Record<string, number> = { ...change.after.positions }
  let segments: NewSegment[] = []
  for (const tail of tails) {
    const coming = (links.get(tail.folder) ?? []).filter(({ firstPosition }) => firstPosition >= (tail.from ?? 0))
    for await (const commit of withRewrites(store, readTail(store, tail, run.signal), coming, run.signal)) {
      segments.push(...parquetOf(run, commit))
      positions[tail.folder] = commit.nextPosition
      if (segments.length < batchFiles) continue
      const after = { positions, rewrites }
      yield { segments, removed: [], before, after }
      before = after
      positions = { ...positions }
      segments = []
    }
  }
  if (segments.length > 0) yield { segments, removed: [], before, after: { positions, rewrites } }
  else {
    for (const { folder } of tails)
      seen.set(folder, { held: before.positions[folder], next: positions[folder]!, rewrites: counted(folder) })
  }
}

/** What rewrites that the table does not have change of what it holds. */
async function rewrittenBatch(
  run: Run,
  held: Held,
  links: ReadonlyMap<string, readonly RewriteLink[]>,
  seen: SeenCommits,
): Promise<Batch> {
  const { store } = run.options
  const segments: NewSegment[] = []
  const removed: SegmentEntry[] = []
  const positions: Record<string, number> = { ...held.positions }
  const rewrites: Record<string, number> = { ...held.rewrites }
  for (const [folder, all] of links) {
    const from = held.positions[folder]
    const known = seen.get(folder)
    const isKnown = known?.held === from && known?.rewrites === all.length
    if (from === undefined || isKnown || all.length === (held.rewrites[folder] ?? 0)) continue
    const change = await changeOf({ store, folder, links: all, signal: run.signal }, held)
    segments.push(...parquetOf(run, { segments: change.added, lane: change.lane }))
    removed.push(...change.removed.filter(isParquet))
    positions[folder] = change.position
    rewrites[folder] = all.length
  }
  return { segments, removed, before: held, after: { positions, rewrites } }
}

const isParquet = ({ format }: SegmentEntry): boolean => FORMATS.has(format)

function parquetOf(run: Run, { segments, lane }: Pick<StoredCommit, 'segments' | 'lane'>): NewSegment[] {
  const some = segments.filter(isParquet)
  run.skipped += segments.length - some.length
  return some.map((segment) => ({ segment, lane }))
}

async function addBatch(run: Run, { segments, removed, before, after }: Batch): Promise<'added' | 'overtaken'> {
  const { store, root } = run.options
  const files = await mapAtOnce(segments, FOOTERS_AT_ONCE, async ({ segment, lane }) =>
    segmentFile(segment, { lane, path: `${root}/${segment.key}` }, await readParquetFooter(store, segment, run.signal)),
  )
  for (const { column, reason } of files.flatMap(({ columns }) => columns.leftOut)) run.leftOut.set(column, reason)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    run.signal?.throwIfAborted()
    const table = await openTable(run, files)
    if (!isSameHeld(heldBy(table.metadata), before)) return 'overtaken'
    if (await changeTable(run, table, { files, removed, after })) return 'added'
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
async function changeTable(
  run: Run,
  table: LoadedTable,
  {
    files,
    removed,
    after,
  }: { readonly files: readonly SegmentFile[]; readonly removed: readonly SegmentEntry[]; readonly after: Held },
): Promise<boolean> {
  const { options, signal } = run
  const { catalog, store, terms, topic, nowMs = Date.now } = options
  const needed = planChange(table.metadata, files, terms)
  const metadata = changedMetadata(table.metadata, needed, table.metadataFile, nowMs())
  const { added, unpartitioned } = planFiles(metadata, files, terms)
  const said = writeHeld(after)
  const gone = new Set(removed.map(({ key }) => `${options.root}/${key}`))
  const draft = { added, removed: gone, summary: said }
  const { snapshot, keys } = await writeSnapshot(options, metadata, draft, { nowMs: nowMs(), signal })
  const change: TableChange = {
    ...needed,
    snapshot,
    properties: { ...needed.properties, [TOPIC]: topic, ...said },
  }
  const { outcome } = await catalog.change(table, change, signal)
  if (outcome === 'conflict') {
    for (const key of keys) await store.delete(key, signal)
    return false
  }
  run.snapshots++
  run.files += files.length
  run.rows += files.reduce((sum, { footer }) => sum + footer.rows, 0)
  run.replaced += removed.length
  run.unpartitioned += unpartitioned
  return true
}
