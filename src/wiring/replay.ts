import type { Config } from '../config/config.ts'
import type { PlanParts } from '../replay/plan.ts'
import { topicMatcher } from '../source/topic-names.ts'

/**
 * What a replay could come back by: the broker that is archived, and which of its topics. Where all are (`*`), a topic that the archive
 * does not hold yet is left out: otherwise no replay could go anywhere.
 */
export function replaySource({ source }: Config): NonNullable<PlanParts['source']> {
  return { kind: source.type, archives: topicMatcher(source.topics.filter((pattern) => pattern !== '*')) }
}
