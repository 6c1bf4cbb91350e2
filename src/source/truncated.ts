import { MillpondError } from '../errors.ts'
import { type LaneId, laneName } from './lane.ts'

/** The error of a lane that is archived up to `position`, where its broker has the same only up to `end`. */
export function sourceTruncated({ topic, topicId, lane }: LaneId, position: number, end: number): MillpondError {
  const name = laneName({ topic, lane })
  const message = `the archive holds ${name} up to position ${position}, the broker what was archived only up to ${end}: it has lost messages, whose positions it gives to others; make the topic anew, or archive it under another prefix of the store`
  return new MillpondError('SOURCE_TRUNCATED', message, { details: { topic, topicId, lane, position, end } })
}
