import type { MessageMarks } from '../batch/mark.ts'

/** Names of the headers that mark a replayed message, in the order in which they follow its own headers. */
export const REPLAY_HEADERS = [
  'millpond-replay-job',
  'millpond-origin-topic',
  'millpond-origin-lane',
  'millpond-origin-position',
] as const

/** What the marks say beside the position. */
export interface ReplayOrigin {
  readonly job: string
  readonly topic: string
  readonly lane: string
}

/**
 * The marks of a replayed message: the job, and the topic, lane and position it was read from. One that was replayed before keeps its older
 * marks; the last ones are the newest.
 */
export function replayMarks({ job, topic, lane }: ReplayOrigin): MessageMarks {
  const [jobName, topicName, laneName, positionName] = REPLAY_HEADERS
  const headers = [
    { name: jobName, value: job },
    { name: topicName, value: topic },
    { name: laneName, value: lane },
  ]
  return { headers, positionName }
}
