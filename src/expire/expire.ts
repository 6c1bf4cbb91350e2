import { findChains, readCommits } from '../commit/chain.ts'
import { archivedTopics } from '../commit/archived-topics.ts'
import { collectReplaced, type ObjectCount } from '../commit/collect-replaced.ts'
import type { Gap, StoredCommit } from '../commit/commit.ts'
import { isTopicHeld } from '../commit/holds.ts'
import { headOf, readLiveCommits, readRewriteLinks, type RewriteHead, withRewrites } from '../commit/rewrites.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { appendRemoval, isImported, type RemovalPlace } from './record.ts'
import { type DatedSegment, dueSegments, isEmptyRule, policyText, type RetentionRules } from './retention.ts'

export interface ExpireOptions {
  /** What is to go of a topic; undefined where nothing is. */
  readonly rulesOf: (topic: string) => RetentionRules | undefined
  readonly topic?: string | undefined
  readonly lane?: string | undefined
  /** Who asks, as far as is known. */
  readonly by: string
  /** What the records say beside the rule. */
  readonly reason?: string | undefined
  /** Topics of which nothing may be removed, beside those that the store holds. */
  readonly isHeld?: (topic: string) => boolean
  /** How long segments stay for readers at work, once the record of their removal is there, ms. */
  readonly keepRemovedMs: number
  /** Whether anything may be due by these rules; where not, no commit of the topic is read. */
  readonly mayBeDue?: (topic: string, rules: RetentionRules) => Promise<boolean>
  /** Counts what is due, and does nothing. */
  readonly dryRun?: boolean
}

export interface ExpireHooks {
  readonly onLane?: (lane: LaneExpiry) => void
  readonly signal?: AbortSignal
  readonly nowMs?: () => number
}

/** What became of one lane. */
export interface LaneExpiry {
  readonly lane: LaneId
  /** Records that were made. */
  readonly records: number
  readonly messages: number
  readonly segments: ObjectCount
  /** Of the messages that go; null where there are none. */
  readonly minTimestamp: number | null
  readonly maxTimestamp: number | null
  /** From the first position that goes to before the last. */
  readonly firstPosition: number | null
  readonly nextPosition: number | null
  /** Objects that were deleted, by records of this run or earlier ones. */
  readonly deleted: ObjectCount
  /** Objects of other programs among the segments: they stay where they are. */
  readonly imported: number
}

export interface ExpireReport {
  readonly lanes: readonly LaneExpiry[]
  /** Topics that something was due of and that are held. */
  readonly held: readonly string[]
}

/** A record that another rewrite overtakes is planned anew, this often. */
const ATTEMPTS = 10
/** So that a record is a step and no journey. */
const MAX_COMMITS = 1000
const MAX_SEGMENTS = 10_000

/**
 * Removes what is past its time, segment by segment: first a record beside the chain says what goes and why, then, when readers at work have had their
 * time, the objects go. Commits stay. It may be ended at any point and begun again; archiving, searching and compacting go on meanwhile.
 * @throws MillpondError `COMPACT_CONFLICT` where others rewrite a lane all the time; `TOPIC_HELD` for one topic that is held; what store and chains throw.
 */
export async function expireArchive(store: Store, options: ExpireOptions, hooks: ExpireHooks = {}): Promise<ExpireReport> {
  const topics = options.topic === undefined ? await archivedTopics(store, hooks.signal) : [options.topic]
  const lanes: LaneExpiry[] = []
  const held: string[] = []
  for (const topic of topics) {
    const rules = options.rulesOf(topic)
    if (rules === undefined || isEmptyRule(rules)) continue
    hooks.signal?.throwIfAborted()
    if ((options.isHeld?.(topic) ?? false) || (await isTopicHeld(store, topic, hooks.signal))) {
      held.push(topic)
      continue
    }
    try {
      await expireTopic(store, { topic, rules, options, hooks }, lanes)
    } catch (error) {
      // Held meanwhile: what has no record stays.
      if (!isMillpondError(error, 'TOPIC_HELD')) throw error
      held.push(topic)
    }
  }
  return { lanes, held }
}

interface TopicWork {
  readonly topic: string
  readonly rules: RetentionRules
  readonly options: ExpireOptions
  readonly hooks: ExpireHooks
}

async function expireTopic(store: Store, { topic, rules, options, hooks }: TopicWork, lanes: LaneExpiry[]): Promise<void> {
  const { nowMs = Date.now, signal } = hooks
  const chains = await Array.fromAsync(findChains(store, { topic }, signal))
  const segments: DatedSegment[] = []
  const isAsked = (await options.mayBeDue?.(topic, rules)) ?? true
  for (const { folder } of isAsked ? chains : [])
    for await (const commit of readLiveCommits(store, folder, signal))
      for (const { key, bytes, maxTimestamp, lastPosition } of commit.segments)
        segments.push({ key, bytes, maxTimestamp, lastPosition })
  const due = dueSegments(segments, rules, nowMs())
  const why = [policyText(rules), options.reason ?? ''].filter((text) => text !== '').join('; ')
  const isHeld = options.isHeld ?? (() => false)
  for (const { lane, folder } of chains) {
    if (options.lane !== undefined && lane.lane !== options.lane) continue
    const expiry = await expireLane({ store, lane, folder, by: options.by, why, nowMs, isHeld, signal }, due, options)
    lanes.push(expiry)
    hooks.onLane?.(expiry)
  }
}

type Sums = { -readonly [name in keyof LaneExpiry]: LaneExpiry[name] }

async function expireLane(place: RemovalPlace, due: ReadonlySet<string>, options: ExpireOptions): Promise<LaneExpiry> {
  const { store, folder, lane, nowMs, isHeld, signal } = place
  const nothing = { objects: 0, bytes: 0 }
  const sums: Sums = {
    lane,
    records: 0,
    messages: 0,
    segments: nothing,
    deleted: nothing,
    imported: 0,
    minTimestamp: null,
    maxTimestamp: null,
    firstPosition: null,
    nextPosition: null,
  }
  for (let attempt = 1; due.size > 0 && (await recordAll(place, due, options, sums)) === 'overtaken'; attempt++) {
    if (attempt < ATTEMPTS) continue
    throw new MillpondError('COMPACT_CONFLICT', `others have rewritten ${laneName(lane)} ${ATTEMPTS} times meanwhile`, {
      details: { ...lane },
    })
  }
  if (options.dryRun !== true)
    sums.deleted = await collectReplaced(
      store,
      folder,
      { olderThanMs: options.keepRemovedMs, nowMs: nowMs(), isHeld, onlyRemovals: true },
      signal,
    )
  return sums
}

/** Commits in a row of which something goes. */
interface Gathering {
  readonly commits: StoredCommit[]
  readonly due: SegmentEntry[]
  segments: number
}

async function recordAll(
  place: RemovalPlace,
  due: ReadonlySet<string>,
  options: ExpireOptions,
  sums: Sums,
): Promise<'done' | 'overtaken'> {
  const { store, folder, signal } = place
  const links = await readRewriteLinks(store, folder, signal)
  let head: RewriteHead | undefined = headOf(links)
  let gathered: Gathering = { commits: [], due: [], segments: 0 }
  const close = async (): Promise<boolean> => {
    const run = gathered
    gathered = { commits: [], due: [], segments: 0 }
    if (run.due.length === 0) return true
    while (run.commits.at(-1)!.segments.length === 0) run.commits.pop()
    if (options.dryRun !== true) head = await appendRemoval(place, head!, runOf(run))
    if (head !== undefined) count(run, sums, options.dryRun === true)
    return head !== undefined
  }
  for await (const commit of withRewrites(store, readCommits(store, folder, {}, signal), links, signal)) {
    signal?.throwIfAborted()
    if (commit.kind === 'genesis') continue
    const some = commit.segments.filter(({ key }) => due.has(key))
    // Commits without segments, as those of earlier records, are taken along, so that records become fewer.
    const ends = (some.length === 0 && commit.segments.length > 0) || !suits(gathered, commit)
    if (ends && !(await close())) return 'overtaken'
    if (some.length === 0 && commit.segments.length > 0) continue
    gathered.commits.push(commit)
    gathered.due.push(...some)
    gathered.segments += commit.segments.length
  }
  return (await close()) ? 'done' : 'overtaken'
}

/** Whether a record may speak of the commit too: objects of others and our own are kept apart. */
const suits = ({ commits, segments }: Gathering, commit: StoredCommit): boolean =>
  commits.length < MAX_COMMITS &&
  segments + commit.segments.length <= MAX_SEGMENTS &&
  (commit.segments.length === 0 || commits.every((one) => one.segments.length === 0 || isImported(one) === isImported(commit)))

const runOf = ({ commits, due }: Gathering) => ({
  kind: 'expired' as const,
  salt: '',
  subjects: [],
  commits,
  removed: new Set(due.map(({ key }) => key)),
  made: [],
  messages: due.reduce((sum, segment) => sum + segment.count, 0),
  gaps: due.map(({ firstPosition, lastPosition, count }): Gap => ({
    firstPosition,
    nextPosition: lastPosition + 1,
    missing: count,
    reason: 'removed',
  })),
})

function count({ commits, due }: Gathering, sums: Sums, dryRun: boolean): void {
  if (!dryRun) sums.records += 1
  sums.messages += due.reduce((sum, segment) => sum + segment.count, 0)
  sums.segments = {
    objects: sums.segments.objects + due.length,
    bytes: sums.segments.bytes + due.reduce((sum, { bytes }) => sum + bytes, 0),
  }
  for (const { minTimestamp, maxTimestamp, firstPosition, lastPosition } of due) {
    sums.minTimestamp = Math.min(sums.minTimestamp ?? Infinity, minTimestamp)
    sums.maxTimestamp = Math.max(sums.maxTimestamp ?? -Infinity, maxTimestamp)
    sums.firstPosition = Math.min(sums.firstPosition ?? Infinity, firstPosition)
    sums.nextPosition = Math.max(sums.nextPosition ?? 0, lastPosition + 1)
  }
  const imported = new Set(commits.filter(isImported).flatMap(({ segments }) => segments.map(({ key }) => key)))
  sums.imported += due.filter(({ key }) => imported.has(key)).length
}
