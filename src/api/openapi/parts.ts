import { describedJobs } from '../jobs/openapi.ts'
import { describedSchedules } from '../jobs/schedule-openapi.ts'
import { describedKafkaRest } from '../kafka-rest/openapi.ts'
import type { SearchLimits } from '../search/limits.ts'
import { describeSearch } from '../search/openapi.ts'
import type { DescribedPart } from './operation.ts'
import { describeService, type MessageLimits } from './service.ts'

/** All that is described beside its routes; of a server without a search, or without jobs, more than it has. */
export const describedParts = (limits: MessageLimits, search: SearchLimits | undefined): readonly DescribedPart[] => [
  describeService(limits),
  ...(search === undefined ? [] : [describeSearch(search)]),
  describedJobs,
  describedSchedules,
  describedKafkaRest,
]
