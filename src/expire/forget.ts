import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { findChains, readCommits } from '../commit/chain.ts'
import { collectGarbage } from '../commit/collect.ts'
import { collectReplaced, type ObjectCount } from '../commit/collect-replaced.ts'
import type { StoredCommit } from '../commit/commit.ts'
import { headOf, readRewriteLinks, type RewriteHead, withRewrites } from '../commit/rewrites.ts'
import type { Format } from '../encode/block.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { tidyLane } from '../compact/intents.ts'
import type { MergeOptions } from '../compact/output.ts'
import { candidateBlocks, findMessages, type Found, isReadable, type Subject, type SubjectTable, tableOf } from './find.ts'
import { type Erasure, eraseCommits } from './erase.ts'
import { isImported, readLookups, refuseHeld, type RemovalPlace } from './record.ts'

export interface ForgetOptions {
  readonly topic: string
  readonly lane?: string | undefined
  readonly subjects: readonly Subject[]
  readonly reason: string
  /** Who asks, as far as is known. */
  readonly by: string
  readonly isHeld?: (topic: string) => boolean
  /** How new segments are written. */
  readonly merge: Omit<MergeOptions, 'targetBytes'>
  /** How long readers at work may go on with segments that go, ms; it is waited for. */
  readonly graceMs: number
  readonly dryRun?: boolean
}

export interface ForgetHooks {
  readonly onProgress?: (progress: { readonly segments: number; readonly messages: number }) => void
  /** Done when all is recorded, before anything is deleted. */
  readonly onRecorded?: () => Promise<void>
  /** Told before the grace is waited for. */
  readonly onWait?: (ms: number) => void
  readonly signal?: AbortSignal
  readonly nowMs?: () => number
}

/** An object that may hold messages of the subject still, and why it stays. */
export interface LeftObject {
  readonly key: string
  readonly why: 'format' | 'siblings' | 'imported'
  readonly format: Format
}

/** What became of one lane. */
export interface LaneForget {
  readonly lane: LaneId
  readonly records: number
  readonly messages: number
  /** Segments that held them, and what was written in their place; after a dry run the second is not known. */
  readonly before: ObjectCount
  readonly after: ObjectCount
  /** Objects that were deleted. */
  readonly deleted: ObjectCount
  readonly left: readonly LeftObject[]
  /** Keys of objects whose very names hold the value of a subject: the chain goes on naming them. */
  readonly named: readonly string[]
}

/** How often a lane is begun anew that others rewrite meanwhile. */
const ATTEMPTS = 10
/** So that a record is a step and no journey. */
const MAX_COMMITS = 100
const MAX_BYTES = 512 * 1024 * 1024

/**
 * Removes the messages of subjects: the segments that hold any are written anew without them, read back and compared; a record beside the chain says
 * how many went, who asked and why, and knows the subjects by salted hashes only; then the old segments are deleted, with all copies that earlier rewrites
 * and crashes left. It may be ended at any point and begun again.
 * @throws MillpondError `TOPIC_HELD`; `COMPACT_CONFLICT` where others rewrite a lane all the time; what store and chains throw. What could not be removed
 * is in the report.
 */
export async function forgetSubjects(store: Store, options: ForgetOptions, hooks: ForgetHooks = {}): Promise<LaneForget[]> {
  const { topic, lane, dryRun = false, graceMs } = options
  const { signal, nowMs = Date.now } = hooks
  const filter = { topic, ...(lane === undefined ? {} : { lane }) }
  const salt = randomBytes(16)
  const progress = { segments: 0, messages: 0 }
  const works: LaneWork[] = []
  for await (const chain of findChains(store, filter, signal)) {
    const isHeld = options.isHeld ?? (() => false)
    const place = { store, ...chain, by: options.by, why: options.reason, nowMs, isHeld, signal }
    await refuseHeld(place)
    const sums: Sums = { records: 0, messages: 0, before: NOTHING, after: NOTHING, left: [], named: [], mustCollect: false }
    const work = { place, options, hooks, salt, table: tableOf(options.subjects), progress, sums }
    await forgetLane(work)
    works.push(work)
  }
  const isUnderWay = !dryRun && works.some(({ sums }) => sums.mustCollect)
  if (isUnderWay) await hooks.onRecorded?.()
  if (graceMs > 0 && !dryRun && works.some(({ sums }) => sums.records > 0)) {
    hooks.onWait?.(graceMs)
    await wait(graceMs, undefined, { signal }).catch(() => undefined)
    signal?.throwIfAborted()
  }
  const lanes: LaneForget[] = []
  for (const work of works) lanes.push(await finishLane(work))
  return lanes
}

const NOTHING: ObjectCount = { objects: 0, bytes: 0 }

interface Sums {
  records: number
  messages: number
  before: ObjectCount
  after: ObjectCount
  left: LeftObject[]
  named: string[]
  /** Whether there is, or may be, something to delete. */
  mustCollect: boolean
}

interface LaneWork {
  readonly place: RemovalPlace
  readonly options: ForgetOptions
  readonly hooks: ForgetHooks
  readonly salt: Uint8Array
  readonly table: SubjectTable
  readonly progress: { segments: number; messages: number }
  readonly sums: Sums
}

async function forgetLane(work: LaneWork): Promise<void> {
  const { place, options, sums } = work
  if (options.dryRun !== true) await tidyLane(place.store, place.folder, place.signal)
  for (let attempt = 1; (await eraseAll(work)) === 'overtaken'; attempt++) {
    if (attempt < ATTEMPTS) continue
    throw new MillpondError(
      'COMPACT_CONFLICT',
      `others have rewritten ${laneName(place.lane)} ${ATTEMPTS} times meanwhile; what is recorded is forgotten, begin again for the rest`,
      { details: { ...place.lane } },
    )
  }
  const links = await readRewriteLinks(place.store, place.folder, place.signal)
  sums.mustCollect = links.some(({ removed }) => removed > 0)
}

/** Deletes what is no longer named, with copies that earlier rewrites and crashes left. */
async function finishLane({ place, options, sums }: LaneWork): Promise<LaneForget> {
  const { store, lane, folder, isHeld, signal } = place
  const { mustCollect, ...told } = sums
  if (!mustCollect || options.dryRun === true) return { lane, ...told, deleted: NOTHING }
  const times = { olderThanMs: 0, nowMs: Number.MAX_SAFE_INTEGER, isHeld, again: true }
  await tidyLane(store, folder, signal)
  const replaced = await collectReplaced(store, folder, times, signal)
  const { removed } = await collectGarbage(store, { ...times, topic: lane.topic, lane: lane.lane }, signal)
  const deleted = { objects: replaced.objects + removed.objects, bytes: replaced.bytes + removed.bytes }
  return { lane, ...told, deleted }
}

async function eraseAll(work: LaneWork): Promise<'done' | 'overtaken'> {
  const { place, sums } = work
  const { store, folder, signal } = place
  sums.left = []
  sums.named = []
  const links = await readRewriteLinks(store, folder, signal)
  let head: RewriteHead | undefined = headOf(links)
  let gathered: Erasure[] = []
  let bytes = 0
  const close = async (): Promise<boolean> => {
    const run = gathered
    gathered = []
    bytes = 0
    if (run.length > 0) head = await eraseRun(work, run, head!)
    return head !== undefined
  }
  for await (const commit of withRewrites(store, readCommits(store, folder, {}, signal), links, signal)) {
    signal?.throwIfAborted()
    if (commit.kind === 'genesis') continue
    const found = await findInCommit(work, commit)
    const isFirst = gathered.length === 0
    const suits = isFirst || (isImported(gathered[0]!.commit) === isImported(commit) && gathered.length < MAX_COMMITS)
    if ((found.size === 0 || !suits || bytes >= MAX_BYTES) && !(await close())) return 'overtaken'
    if (found.size === 0) continue
    gathered.push({ commit, found })
    bytes += [...found.keys()].reduce((sum, segment) => sum + segment.bytes, 0)
  }
  return (await close()) ? 'done' : 'overtaken'
}

/** The messages of a commit that are meant, by segment; what cannot be told is noted as left. */
async function findInCommit(
  { place, options, table, progress, hooks, sums }: LaneWork,
  commit: StoredCommit,
): Promise<Map<SegmentEntry, Found>> {
  const { store, signal } = place
  const found = new Map<SegmentEntry, Found>()
  const asks = commit.segments.some(({ lookups }) => lookups.length > 0)
  const lookupBytes = asks ? await readLookups(store, commit, signal) : new Uint8Array(0)
  for (const segment of commit.segments) {
    const ordinals = candidateBlocks(segment, options.subjects, lookupBytes)
    progress.segments++
    if (ordinals.size === 0) continue
    const { key, format } = segment
    if (!isReadable(segment)) {
      sums.left.push({ key, format, why: segment.siblings.length > 0 ? 'siblings' : 'format' })
      continue
    }
    const messages = await findMessages(store, segment, ordinals, table, signal)
    if (messages.positions.size === 0) continue
    found.set(segment, messages)
    if (isImported(commit)) sums.left.push({ key, format, why: 'imported' })
    if (options.subjects.some(({ value }) => holdsText(segment, value))) sums.named.push(key)
    progress.messages += messages.positions.size
    hooks.onProgress?.({ ...progress })
  }
  return found
}

/** Whether the value, as text, is a part of the object's name or of what the layout put into it. */
function holdsText({ key, layout }: SegmentEntry, value: Uint8Array): boolean {
  const text = Buffer.from(value).toString('utf8')
  if (text === '') return false
  const parts = new Set(key.split('/').flatMap((part) => [part, part.slice(part.indexOf('=') + 1)]))
  return parts.has(text) || parts.has(encodeURIComponent(text)) || Object.values(layout).includes(text)
}

async function eraseRun(
  { place, options, salt, sums }: LaneWork,
  run: readonly Erasure[],
  head: RewriteHead,
): Promise<RewriteHead | undefined> {
  const segments = run.flatMap(({ found }) => [...found.keys()])
  const messages = run.reduce(
    (sum, { found }) => [...found.values()].reduce((some, { positions }) => some + positions.size, sum),
    0,
  )
  const subjects = new Set(run.flatMap(({ found }) => [...found.values()].flatMap((one) => [...one.subjects])))
  let after = NOTHING
  let next: RewriteHead | undefined = head
  if (options.dryRun !== true) {
    const record = {
      salt: Buffer.from(salt).toString('hex'),
      subjects: [...subjects].map((one) => hashOfSubject(salt, one)).sort(),
    }
    const erased = await eraseCommits(place, head, run, { ...record, messages, merge: options.merge })
    if (erased === undefined) return undefined
    next = erased.head
    after = erased.made
  }
  sums.records += options.dryRun === true ? 0 : 1
  sums.messages += messages
  sums.before = added(sums.before, { objects: segments.length, bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) })
  sums.after = added(sums.after, after)
  return next
}

const added = (left: ObjectCount, right: ObjectCount): ObjectCount => ({
  objects: left.objects + right.objects,
  bytes: left.bytes + right.bytes,
})

/** How a record knows a subject: whoever has the value can see that it is meant, and nobody can read it from there. */
export const hashOfSubject = (salt: Uint8Array, { field, value }: Subject): string =>
  createHash('sha256').update(salt).update(field).update(Uint8Array.of(0)).update(value).digest('hex')
