import type { LaneId } from '../source/lane.ts'
import type { QueryRecord } from './query-record.ts'

/**
 * `queued` waits to be run; `running` is run by the process that holds its lease; `interrupted` was stopped, or its target went away,
 * and goes on where it was; `failed` met what no repetition mends, and goes on once that is mended; `done` and `cancelled` are final.
 */
export type ReplayState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted'

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
  /** Which partition a message goes to where the target has several: that of its lane, by its key's hash, or the one given. */
  readonly partition?: 'lane' | 'key' | number
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
  /** Whether messages may go back into a topic that they are read from. */
  readonly allowLoop: boolean
  readonly keys: 'keep' | 'drop'
  readonly headers: 'keep' | 'drop'
  readonly timestamps: 'original' | 'now'
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

export interface ReplayCounts {
  /** Messages of the selection that were read and dealt with. */
  readonly read: number
  /** Messages that are durable at the target. */
  readonly delivered: number
  /** Messages that the target refused. */
  readonly failed: number
  /** Payload bytes of what was read and dealt with; where record batches go out as they are stored, their bytes. */
  readonly bytes: number
}

/** How far one lane has come. Its part of the selection was fixed when the job was made: `fromPosition` to before `toPosition`. */
export interface LaneProgress {
  readonly lane: LaneId
  readonly fromPosition: number
  readonly toPosition: number
  /** Everything below is dealt with. */
  readonly nextPosition: number
  readonly counts: ReplayCounts
  readonly done: boolean
}

/** A message that the target refused. */
export interface ReplayFailure {
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

/** A job without its lanes and failures: what a list shows. */
export interface ReplaySummary extends ReplayRequest {
  readonly id: string
  readonly state: ReplayState
  readonly createdMs: number
  /** When it was first run. */
  readonly startedMs: number | null
  /** When it last ended, in whatever state. */
  readonly endedMs: number | null
  readonly planned: PlannedReplay
  readonly counts: ReplayCounts
  /** Why it failed or was interrupted. */
  readonly error: { readonly code: string; readonly message: string } | null
  readonly cancelRequested: boolean
  /** Until when the process that runs it holds it; null where nobody does. */
  readonly leaseUntilMs: number | null
}

/** A replay: what is to be sent where, how far it has come, and what was refused. */
export interface ReplayJob extends ReplaySummary {
  readonly lanes: readonly LaneProgress[]
  /** The first `MAX_RECORDED_FAILURES`; `counts.failed` counts all. */
  readonly failures: readonly ReplayFailure[]
}

/** The state as it is at `nowMs`: a job whose process went away without a word is interrupted, whatever was recorded last. */
export function stateAt(job: ReplaySummary, nowMs: number): ReplayState {
  return job.state === 'running' && (job.leaseUntilMs ?? 0) <= nowMs ? 'interrupted' : job.state
}

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
export function publicJob<Job extends ReplaySummary>(job: Job): Job {
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
