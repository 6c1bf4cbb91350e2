import { MillpondError } from '../errors.ts'

/** What keys begin with that this program gives to jobs; callers cannot take one before it. */
const OWN_PREFIXES = ['schedule ', 'retry of '] as const

/** The key of the job that a schedule makes at a fire. */
export const scheduleKey = (schedule: string, fireMs: number): string => `schedule ${schedule} ${fireMs}`

/** The key of the job that sends again what the target of a job refused; another one where more is refused. */
export const retryKey = (job: string, refused: number): string => `retry of ${job}, ${refused} refused`

/**
 * The key that a caller gave a job; `path` names where.
 * @throws MillpondError `INPUT_INVALID` for one as this program gives them: it would be taken for the job of a schedule, or for a retry.
 */
export function callerKey(key: string, path: string): string {
  const own = OWN_PREFIXES.find((prefix) => key.startsWith(prefix))
  if (own === undefined) return key
  const message = `${path}: keys that begin with ${JSON.stringify(own)} are given to jobs by Millpond itself; take another`
  throw new MillpondError('INPUT_INVALID', message, { details: { path } })
}
