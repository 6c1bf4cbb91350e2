import type { Metrics } from '../metrics.ts'
import type { Readiness } from '../readiness.ts'

/** What the safety of a service needs of the program. */
export interface SafetyParts {
  readonly readiness: Readiness
  readonly metrics: Pick<Metrics, 'auditLost'>
  /** Told what an operator should know. */
  readonly onNews: (level: 'info' | 'warn', text: string) => void
}
