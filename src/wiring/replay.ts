import type { Config } from '../config/config.ts'
import { followChains } from '../index/follow.ts'
import type { JobStore } from '../replay/jobs.ts'
import type { PlanParts } from '../replay/plan.ts'
import type { FiringParts } from '../replay/schedules.ts'
import type { Archive } from '../search/read.ts'
import { topicMatcher } from '../source/topic-names.ts'

/**
 * What a replay could come back by: the broker that is archived, and which of its topics. Where all are (`*`), a topic that the archive
 * does not hold yet is left out: otherwise no replay could go anywhere.
 */
export function replaySource({ source }: Config): NonNullable<PlanParts['source']> {
  return { kind: source.type, archives: topicMatcher(source.topics.filter((pattern) => pattern !== '*')) }
}

/** What firing schedules needs, over an archive and its jobs. */
export function firingParts(config: Config, { store, index }: Archive, jobs: JobStore): FiringParts {
  return {
    jobs,
    index,
    source: replaySource(config),
    nowMs: Date.now,
    follow: (topic) => followChains(store, index, topic === undefined ? {} : { topic }),
  }
}
