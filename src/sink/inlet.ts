import type { MessageBatch } from '../batch/batch.ts'

/** Messages of an append that lie one behind the other in a lane, from `firstPosition` on, in their order. */
export interface TakenRun {
  readonly lane: string
  readonly firstPosition: number
  readonly count: number
}

/** Where messages of an append went. */
export interface Taken {
  /** More than one run of a lane where messages of others came between. */
  readonly lanes: readonly TakenRun[]
  /** Where each message went, where that was asked for: an index into `lanes`, -1 for one that failed, and its position, -1 where nobody knows it. */
  readonly rows?: { readonly laneIndex: Int32Array; readonly positions: Float64Array }
  /** Rising by row: what was not taken, where an append may be taken in part. */
  readonly failed?: readonly FailedRow[]
}

/** A message that was not taken. */
export interface FailedRow {
  readonly row: number
  readonly reason: string
  /** It was to go to a lane that there is not. */
  readonly isLaneUnknown: boolean
}

export interface InletAppendOptions {
  /** Fills `rows` of the answer. */
  readonly rowPositions?: boolean
  /** The number of the lane that each message is to go to; -1 leaves it to its key. */
  readonly laneOf?: Int32Array
  /** Takes what can be taken and tells the rest; otherwise all are taken, or it throws. */
  readonly partial?: boolean
}

/** A lane as its broker tells it; brokers are called by numbers. */
export interface InletLane {
  readonly lane: number
  /** The broker that leads it; -1 where none does at the moment. */
  readonly leader: number
  readonly replicas: readonly { readonly broker: number; readonly inSync: boolean }[]
}

/** A topic as its broker tells it. */
export interface InletTopic {
  readonly name: string
  /** Settings by Kafka's names, as text. */
  readonly settings: Readonly<Record<string, string>>
  readonly lanes: readonly InletLane[]
}

/** What there is to write to. */
export interface TopicDirectory {
  /** Names of all topics, sorted. */
  topics(): Promise<readonly string[]>
  /** @throws MillpondError `TOPIC_UNKNOWN`. */
  topic(name: string): Promise<InletTopic>
  /** The oldest position that a lane holds and the one that comes next. @throws MillpondError `TOPIC_UNKNOWN`, `LANE_UNKNOWN`. */
  range(topic: string, lane: number): Promise<{ readonly oldest: number; readonly next: number }>
  /** Numbers of the brokers. */
  brokers(): Promise<readonly number[]>
}

/** Where messages go that come in by HTTP, files and pipes. */
export interface Inlet extends TopicDirectory, AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  /**
   * Takes a batch, all or nothing unless it may be taken in part, and resolves when it is durable. The first message makes its topic. Positions
   * of the batch mean nothing.
   * @throws MillpondError `LANE_UNKNOWN`, `MESSAGE_TOO_LARGE`, `DELIVERY_FAILED`, and what the broker says.
   */
  append(topic: string, batch: MessageBatch, options?: InletAppendOptions): Promise<Taken>
}
