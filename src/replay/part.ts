import type { LaneId } from '../source/lane.ts'
import type { Positions } from './positions.ts'
import type { Refused } from './refused.ts'

/** Why something could not go on. */
export interface JobError {
  readonly code: string
  readonly message: string
}

/** How many messages there were, and what became of them. */
export interface PartCounts {
  /** Messages of the selection that were read and dealt with. */
  readonly read: number
  /** Messages that are durable at the target. */
  readonly delivered: number
  /** Messages that the target refused. */
  readonly failed: number
  /** Payload bytes of what was read and dealt with; where record batches go out as they are stored, their bytes. */
  readonly bytes: number
}

/** `open` is to be done, whoever holds it; `failed` met what no repetition mends. */
export type PartState = 'open' | 'done' | 'failed'

/**
 * A part of a job: messages of one lane that one worker delivers in order, with a cursor of its own. What it is was fixed when the job
 * was made: `fromPosition` to before `toPosition`, of these only those of its shard, or only those named.
 */
export interface ReplayPart {
  readonly job: string
  /** Its place in the job, from 0. */
  readonly part: number
  readonly lane: LaneId
  readonly fromPosition: number
  readonly toPosition: number
  /** Only messages whose key falls to this shard of so many; those without a key fall to shard 0. */
  readonly shard: { readonly index: number; readonly count: number } | null
  /** Only these positions. */
  readonly only: Positions | null
  /** What tells the target this part of a lane from others that write messages of the lane; null where the part is the whole lane. */
  readonly share: string | null
  /** Parts that have to be done before this one is begun. */
  readonly after: readonly number[]
  /** Everything below is dealt with. */
  readonly nextPosition: number
  readonly counts: PartCounts
  /** What its target refused; left out as long as that is nothing, and in records of older versions. */
  readonly refused?: Refused
  readonly state: PartState
  /** Who holds it, and until when nobody else may. */
  readonly owner: string | null
  readonly leaseUntilMs: number | null
  /** How often it was taken. */
  readonly attempts: number
  /** Workers that look for work leave it alone until then: its target was away. */
  readonly notBeforeMs: number | null
  /** Why it stopped last. */
  readonly error: JobError | null
  /** Rises with every change: who changes a part names the version that is known. */
  readonly version: number
}

/** What the parts of a job are together. */
export interface PartFacts {
  readonly parts: number
  readonly done: number
  readonly failed: number
  readonly counts: PartCounts
  /** The latest of all leases that are held. */
  readonly leaseUntilMs: number | null
  /** The error of the first part that has one, those that failed first. */
  readonly error: JobError | null
}
