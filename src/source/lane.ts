/** Names one ordered stream for ever: a topic that was deleted and made again has another `topicId`. */
export interface LaneId {
  readonly topic: string
  /** The broker's own identity of the topic; the topic's name where the broker has none. */
  readonly topicId: string
  /** The lane's name within the topic: a partition's number, a receiver's stable name. */
  readonly lane: string
}

/** A lane that this member owns until `revoked` aborts. */
export interface Lane extends LaneId {
  /** Where a chain begins that has no commit yet. */
  readonly startPosition: number
  readonly revoked: AbortSignal
}

/** Text for messages to people: `orders/3`. */
export const laneName = (lane: { readonly topic: string; readonly lane: string }): string => `${lane.topic}/${lane.lane}`
