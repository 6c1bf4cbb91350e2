import type { JobError, PartCounts, ReplayPart } from './part.ts'
import type { QueryRecord } from './query-record.ts'
import type { HeaderRemap } from './remap.ts'

/**
 * States of jobs: `queued` waits to be run; `running` is run by somebody; `paused` waits until it is wanted again; `interrupted` was left by all who
 * ran it, or its target went away, and goes on where it was; `failed` met what no repetition mends, and goes on once that is mended;
 * `done` and `cancelled` are final.
 */
export const REPLAY_STATES = ['queued', 'running', 'paused', 'done', 'failed', 'cancelled', 'interrupted'] as const
/** How it stands with a job: one of `REPLAY_STATES`. */
export type ReplayState = (typeof REPLAY_STATES)[number]

/** Where a replay goes, as it was asked for. Which fields a kind needs is checked where its sink is opened. */
export interface ReplayTarget {
  /** `local`, `kafka`, `file`, `http` or `count`; later sinks bring kinds of their own. */
  readonly kind: string
  /** The topic to write to; each message's own topic where neither this nor `topics` says otherwise. */
  readonly topic?: string
  /** The topic to write to, by topic of origin; goes before `topic`. */
  readonly topics?: Readonly<Record<string, string>>
  readonly path?: string
  readonly url?: string
  /** How messages are written where the kind has several ways: `json` or `raw`. */
  readonly format?: string
  /** Which partition a message goes to where the target has several: that of its lane, by its key's hash, the one given, or the one given for its lane. */
  readonly partition?: 'lane' | 'key' | number | { readonly lanes: Readonly<Record<string, number>> }
  /** Headers of each request, which may hold secrets: kept with the job so that it can go on, never shown. */
  readonly headers?: Readonly<Record<string, string>>
}

/** What becomes of messages on their way out. */
export interface ReplayOptions {
  /** Over all lanes; as fast as it goes where there is none. */
  readonly rateMessagesPerSecond?: number
  /** Whether each message gets headers that name the job and where it was read from. */
  readonly marks: boolean
  /** Reads and counts, sends nothing. */
  readonly dryRun: boolean
  /** Whether messages may go into a topic that the archive stores. */
  readonly allowLoop: boolean
  /** What keeps its order: each lane unless given, each key, or nothing. */
  readonly order?: 'lane' | 'key' | 'none'
  /** Into how many parts a lane is split at the most where the order is that of keys or none; `DEFAULT_SPLIT` unless given. */
  readonly split?: number
  readonly keys: 'keep' | 'drop'
  readonly headers: 'keep' | 'drop'
  readonly timestamps: 'original' | 'now'
  /** What becomes of single headers, where they are kept. */
  readonly headerRemap?: HeaderRemap
  /** What every message goes through before it goes out; each worker must have the file. */
  readonly function?: FunctionFile
}

/** A file whose default export is a function over messages. */
export interface FunctionFile {
  readonly path: string
  /** SHA-256 (hex) of the file when the job was made: another one is refused. */
  readonly sha256: string
}

/** What the index said, before anything was read, of what the selection holds. */
export interface PlannedReplay {
  readonly segments: number
  readonly blocks: number
  /** Bytes of those blocks as they are stored. */
  readonly bytes: number
  readonly messages: number
  /** Whether `messages` is exact; otherwise it is an upper bound: only reading can tell. */
  readonly exact: boolean
}

/** Counts of a job are the sums of those of its parts. */
export type ReplayCounts = PartCounts

/** A message that the target refused. */
export interface ReplayFailure {
  /** Tells the topic from one of its name that was deleted before; left out in records of older versions. */
  readonly topicId?: string
  readonly topic: string
  readonly lane: string
  readonly position: number
  readonly reason: string
}

/** Failures that a job keeps by name; those beyond are counted only. */
export const MAX_RECORDED_FAILURES = 1000

/** What a job was asked to do; never changes. */
export interface ReplayRequest {
  readonly query: QueryRecord
  readonly target: ReplayTarget
  readonly options: ReplayOptions
}

/** What is wanted of a job. */
export type JobWish = 'run' | 'pause' | 'cancel'

/**
 * Who may work on a job: `one` process at a time, because the target is a file or because it runs where it was made; or `many` side by
 * side. Fixed when the job is made.
 */
export type JobWorkers = 'one' | 'many'

/** What is known of a job beside what it was asked to do, without its parts. */
export interface JobRecord extends ReplayRequest {
  readonly id: string
  readonly createdMs: number
  /** Who asked for it: a name or the id of a key, never a secret. */
  readonly requestedBy: string | null
  /** Why, in the words of who asked. */
  readonly note: string | null
  /** A second job asked for with the same key is this one. */
  readonly key: string | null
  /** The job whose refused messages this one sends again. */
  readonly retryOf: string | null
  readonly planned: PlannedReplay
  readonly workers: JobWorkers
  /** Whether workers that name no job take parts of it. */
  readonly offered: boolean
  readonly wish: JobWish
  /** When the first worker was ready to deliver: from then on the target may hold something. */
  readonly startedMs: number | null
  /** When it ended for good, or failed. */
  readonly endedMs: number | null
}

/** A job without its parts and failures: what a list shows. */
export interface ReplaySummary extends JobRecord {
  /** As it was at the moment of asking. */
  readonly state: ReplayState
  readonly counts: ReplayCounts
  /** Why it failed or was interrupted. */
  readonly error: JobError | null
  readonly partCount: number
  readonly partsDone: number
  /** Until when somebody holds a part of it; null where nobody does. */
  readonly leaseUntilMs: number | null
}

/** A replay: what is to be sent where, how far it has come, and what was refused. */
export interface ReplayJob extends ReplaySummary {
  readonly parts: readonly ReplayPart[]
  /** The first `MAX_RECORDED_FAILURES`; `counts.failed` counts all. */
  readonly failures: readonly ReplayFailure[]
}

/** A job to be stored. */
export interface NewJob {
  readonly job: JobRecord
  readonly parts: readonly ReplayPart[]
}

/** What remains of a job that ended: who asked for what, when, and what became of it. */
export interface JobAudit extends ReplayRequest {
  readonly job: string
  /** How often the job had ended before: a failed one can go on. */
  readonly ending: number
  readonly requestedBy: string | null
  readonly note: string | null
  readonly createdMs: number
  readonly startedMs: number | null
  readonly endedMs: number
  readonly outcome: JobOutcome
  readonly planned: PlannedReplay
  readonly counts: ReplayCounts
  readonly error: JobError | null
}

/** How a job can end. */
export const JOB_OUTCOMES = ['done', 'failed', 'cancelled'] as const
/** One of `JOB_OUTCOMES`. */
export type JobOutcome = (typeof JOB_OUTCOMES)[number]

/** No message yet. */
export const NO_COUNTS: ReplayCounts = { read: 0, delivered: 0, failed: 0, bytes: 0 }

export const addCounts = (a: ReplayCounts, b: ReplayCounts): ReplayCounts => ({
  read: a.read + b.read,
  delivered: a.delivered + b.delivered,
  failed: a.failed + b.failed,
  bytes: a.bytes + b.bytes,
})

/** Options as they are where nothing else is asked for: everything is kept; marks go where messages join others of their kind. */
export function replayOptions(kind: string, options: Partial<ReplayOptions> = {}): ReplayOptions {
  return {
    marks: kind !== 'file' && kind !== 'count',
    dryRun: false,
    allowLoop: false,
    keys: 'keep',
    headers: 'keep',
    timestamps: 'original',
    ...options,
  }
}

/** The topic that messages of `originTopic` are written to. */
export function targetTopic(target: ReplayTarget, originTopic: string): string {
  const mapped = target.topics !== undefined && Object.hasOwn(target.topics, originTopic) ? target.topics[originTopic] : undefined
  return mapped ?? target.topic ?? originTopic
}

/** The URL without user, password, query and fragment, for people and logs. */
export function publicUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  return parsed === undefined ? '(not a URL)' : `${parsed.protocol}//${parsed.host}${parsed.pathname}`
}

/** The job as it may be shown: the target's URL without what may be secret in it, its headers by name only. */
export function publicJob<Job extends ReplayRequest>(job: Job): Job {
  const { url, headers, ...target } = job.target
  return {
    ...job,
    target: {
      ...target,
      ...(url === undefined ? {} : { url: publicUrl(url) }),
      ...(headers === undefined ? {} : { headers: Object.fromEntries(Object.keys(headers).map((name) => [name, '***'])) }),
    },
  }
}
