import type { BlockRow } from './rows.ts'

/** Rows that one transaction takes whole or not at all. */
export interface AppendUnit {
  /** Units of an epoch were given positions one after another: once one is refused, the ones behind it in the epoch are too. */
  readonly epoch: number
  readonly appendedMs: number
  /** Rows of a partition stand in order; the first must begin where the partition ends. */
  readonly rows: readonly BlockRow[]
  readonly producer: ProducerStep | undefined
}

/** How far a producer got, stored together with what it appended. */
export interface ProducerStep {
  readonly job: string
  /** Names the lane that the producer reads from. */
  readonly origin: string
  readonly topicKey: number
  readonly firstPosition: number
  readonly nextPosition: number
}

/** `moved`: a partition ends elsewhere than was assumed, or is gone; nothing of the unit was taken. */
export type AppendOutcome = 'done' | 'moved'

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  readonly retentionMs: number | null
  readonly retentionBytes: number | null
  readonly createdMs: number
  /** Where the topic is there already: nothing is done, instead of an error. */
  readonly unlessThere: boolean
}

export interface Retention {
  readonly nowMs: number
  /** Groups whose positions hold messages back: those named, or `all` that ever had a lane. */
  readonly protectGroups: readonly string[] | 'all'
}

export interface Removed {
  readonly messages: number
  readonly bytes: number
}

export interface GroupPosition {
  readonly group: string
  readonly partitionKey: number
  readonly nextPosition: number
}

export interface Heartbeat {
  readonly group: string
  readonly member: string
  /** Tells two processes apart that use one member's name; the one that joined last stays. */
  readonly session: string
  readonly joining: boolean
  readonly patterns: readonly string[]
  /** Of the machine's monotonic clock, ms. */
  readonly nowMs: number
  readonly sessionMs: number
  /** The process of the member: its id, and within what the id means something. */
  readonly scope: string
  readonly pid: number
  /** What this member saw last; nothing is computed where nothing changed since. */
  readonly generation: number
  /** Partitions that this member gave up. */
  readonly released: readonly number[]
}

/** A lane that a member owns; one that it should give up is not `wanted`. */
export interface OwnedLane {
  readonly partitionKey: number
  readonly topic: string
  readonly topicId: string
  readonly lane: number
  readonly oldest: number
  readonly wanted: boolean
}

export type HeartbeatAnswer =
  | { readonly kind: 'replaced' }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'owned'; readonly generation: number; readonly lanes: readonly OwnedLane[] }

/** What the thread that writes can do, by name: what it is given and what it answers. */
export interface Operations {
  append: { given: AppendUnit; answer: AppendOutcome }
  createTopic: { given: NewTopic; answer: null }
  deleteTopic: { given: { readonly name: string }; answer: null }
  /** Removes some rows of deleted topics; the answer says whether more are left. */
  purge: { given: { readonly maxRows: number }; answer: boolean }
  retain: { given: Retention; answer: Removed }
  /** Gives free pages back to the file system; the answer says whether many are left. */
  shrink: { given: { readonly maxPages: number }; answer: boolean }
  acknowledge: { given: GroupPosition; answer: null }
  heartbeat: { given: Heartbeat; answer: HeartbeatAnswer }
  leave: { given: { readonly group: string; readonly member: string; readonly session: string }; answer: null }
  deleteGroup: { given: { readonly group: string }; answer: null }
}

export type OperationName = keyof Operations

export type Operation = {
  [Name in OperationName]: { readonly name: Name; readonly given: Operations[Name]['given'] }
}[OperationName]

/** An error on its way between threads. */
export interface ToldError {
  readonly code: string
  readonly message: string
  readonly details: Record<string, unknown>
}

export type Answer = { readonly ok: true; readonly answer: unknown } | { readonly ok: false; readonly error: ToldError }

/** `transact` runs the operations in one transaction; `lock` takes the write lock until the next `transact` or `unlock`. */
export type ThreadRequest =
  | { readonly id: number; readonly kind: 'transact'; readonly operations: readonly Operation[] }
  | { readonly id: number; readonly kind: 'lock' }
  | { readonly id: number; readonly kind: 'unlock' }
  | { readonly id: number; readonly kind: 'close' }

/** `answers` has one entry for each operation; none for the other requests. */
export type ThreadReply =
  | { readonly id: number; readonly ok: true; readonly answers: readonly Answer[] }
  | { readonly id: number; readonly ok: false; readonly error: ToldError }
