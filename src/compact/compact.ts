import { randomBytes } from 'node:crypto'
import { findChains, readCommits } from '../commit/chain.ts'
import { collectReplaced, type ObjectCount } from '../commit/collect-replaced.ts'
import { appendRewrite, headOf, linkOf, readRewriteLinks, type RewriteHead, withRewrites } from '../commit/rewrites.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { type FinishedSegment, joinSegments } from '../encode/segment-builder.ts'
import { MillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { cleanUp, dropIntent, noteIntent, tidyLane } from './intents.ts'
import { mergeGroup } from './merge.ts'
import type { MergeOptions } from './output.ts'
import { type CompactRules, createPlanner, type Run } from './plan.ts'

export interface CompactOptions extends CompactRules {
  readonly topic?: string
  readonly lane?: string
  readonly merge: Omit<MergeOptions, 'targetBytes'>
  /** What was replaced for so long is removed, ms; without it nothing is. */
  readonly removeAfterMs?: number
  /** Counts what there is to do, and does nothing. */
  readonly dryRun?: boolean
}

/** How far a compaction is. */
export interface CompactProgress {
  readonly lanes: number
  readonly messages: number
  /** Of segments that were replaced. */
  readonly bytes: number
}

export interface CompactHooks {
  readonly onProgress?: (progress: CompactProgress) => void
  readonly signal?: AbortSignal
  readonly nowMs?: () => number
}

/** What became of one lane. */
export interface LaneCompaction {
  readonly lane: LaneId
  readonly rewrites: number
  readonly messages: number
  /** Segments before and after, of those that were rewritten; after a dry run the second is not known. */
  readonly before: ObjectCount
  readonly after: ObjectCount
  /** Segments that stay as they are, for their formats do not keep all that messages had. */
  readonly skipped: number
  /** Objects that were removed: replaced by earlier rewrites, or left by a crash. */
  readonly removed: number
}

/** A rewrite that another one overtakes is planned anew, this often. */
const ATTEMPTS = 10

/**
 * Merges small segments and converts others, lane by lane, as rewrites beside the chain. A rewrite is made when its segments were read back and found
 * equal, message by message; until then, and for readers at work long after, what it replaces stays. It may be ended at any point and begun again.
 * @throws MillpondError `COMPACT_UNFIT`; `COMPACT_CONFLICT` where others rewrite the lane all the time; what store and chains throw.
 */
export async function compactArchive(store: Store, options: CompactOptions, hooks: CompactHooks = {}): Promise<LaneCompaction[]> {
  const progress = { lanes: 0, messages: 0, bytes: 0 }
  const lanes: LaneCompaction[] = []
  for await (const chain of findChains(store, options, hooks.signal)) {
    const compaction = await compactLane({ store, options, hooks, progress, ...chain })
    progress.lanes++
    hooks.onProgress?.({ ...progress })
    lanes.push(compaction)
  }
  return lanes
}

interface LaneWork {
  readonly store: Store
  readonly options: CompactOptions
  readonly hooks: CompactHooks
  readonly progress: { lanes: number; messages: number; bytes: number }
  readonly lane: LaneId
  readonly folder: string
}

interface Sums {
  rewrites: number
  messages: number
  skipped: number
  removed: number
  readonly before: { objects: number; bytes: number }
  readonly after: { objects: number; bytes: number }
}

async function compactLane(work: LaneWork): Promise<LaneCompaction> {
  const { store, folder, lane, options, hooks } = work
  const { dryRun = false, removeAfterMs } = options
  const { nowMs = Date.now, signal } = hooks
  const sums: Sums = {
    rewrites: 0,
    messages: 0,
    skipped: 0,
    removed: 0,
    before: { objects: 0, bytes: 0 },
    after: { objects: 0, bytes: 0 },
  }
  if (!dryRun) sums.removed += await tidyLane(store, folder, signal)
  for (let attempt = 1; (await rewriteAll(work, sums)) === 'overtaken'; attempt++) {
    if (attempt < ATTEMPTS) continue
    throw new MillpondError('COMPACT_CONFLICT', `others have rewritten ${laneName(lane)} ${ATTEMPTS} times meanwhile`, {
      details: { ...lane },
    })
  }
  // What a crash left for the sequence that is passed by now.
  if (sums.rewrites > 0 && !dryRun) sums.removed += await tidyLane(store, folder, signal)
  if (!dryRun && removeAfterMs !== undefined) {
    const gone = await collectReplaced(store, folder, { olderThanMs: removeAfterMs, nowMs: nowMs() }, signal)
    sums.removed += gone.objects
  }
  return { lane, ...sums }
}

async function rewriteAll(work: LaneWork, sums: Sums): Promise<'done' | 'overtaken'> {
  const { store, folder, options, hooks } = work
  const { signal } = hooks
  const planner = createPlanner(folder, options)
  const links = await readRewriteLinks(store, folder, signal)
  let head: RewriteHead | undefined = headOf(links)
  const take = async (run: Run | undefined): Promise<boolean> => {
    if (run === undefined) return true
    if (options.dryRun !== true) head = await rewriteRun(work, run, head!, sums)
    if (head !== undefined) countRun(run, sums)
    return head !== undefined
  }
  for await (const commit of withRewrites(store, readCommits(store, folder, {}, signal), links, signal)) {
    signal?.throwIfAborted()
    if (!(await take(planner.add(commit)))) return 'overtaken'
  }
  if (!(await take(planner.end()))) return 'overtaken'
  sums.skipped = planner.skipped
  return 'done'
}

const segmentsOf = ({ groups }: Run): SegmentEntry[] => groups.flatMap(({ sources }) => sources.map(({ segment }) => segment))

const bytesOf = (run: Run): number => segmentsOf(run).reduce((sum, { bytes }) => sum + bytes, 0)

function countRun(run: Run, sums: Sums): void {
  const segments = segmentsOf(run)
  sums.before.objects += segments.length
  sums.before.bytes += bytesOf(run)
  sums.messages += segments.reduce((sum, { count }) => sum + count, 0)
  sums.rewrites += 1
}

/** Writes the segments of one run, checks them and makes them count; undefined where another rewrite came first. */
async function rewriteRun(
  { store, folder, lane, options, hooks, progress }: LaneWork,
  run: Run,
  head: RewriteHead,
  sums: Sums,
): Promise<RewriteHead | undefined> {
  const { signal, onProgress, nowMs = Date.now } = hooks
  const writer = randomBytes(6).toString('hex')
  const intent = { sequence: head.count, writer, folders: [...new Set(run.groups.map((group) => group.folder))] }
  const making = {
    store,
    lane,
    sequence: head.count,
    writer,
    signal,
    onRead: ({ count }: { readonly count: number }) => {
      progress.messages += count
      onProgress?.({ ...progress })
    },
  }
  await noteIntent(store, folder, intent, signal)
  const made: FinishedSegment[] = []
  for (const group of run.groups)
    made.push(...(await mergeGroup(making, group, { ...options.merge, targetBytes: options.targetBytes })))
  made.sort((a, b) => a.entry.firstPosition - b.entry.firstPosition)
  const { commits, firstPosition, nextPosition } = run
  const last = commits.at(-1)!
  const draft = {
    firstPosition,
    nextPosition,
    // What is rewritten again names the newest data commit as the rewrite before it did.
    replacedSha256: last.replacedSha256 ?? last.sha256,
    ...joinSegments(made),
    gaps: commits.flatMap(({ gaps }) => gaps),
    deadLetters: commits.flatMap(({ deadLetters }) => deadLetters),
  }
  const rewrite = await appendRewrite({ store, lane, folder, writer, now: nowMs }, head, draft, signal)
  if (rewrite === undefined) {
    // Its place is taken for good.
    await cleanUp(store, folder, intent, new Set(), signal)
    return undefined
  }
  await dropIntent(store, folder, intent, signal)
  progress.bytes += bytesOf(run)
  sums.after.objects += made.length
  sums.after.bytes += made.reduce((sum, { entry }) => sum + entry.bytes, 0)
  return headOf([linkOf(rewrite)])
}
