import type { ReplayRequest } from '../../replay/job.ts'
import { type Caller, requireAccess } from '../access.ts'

/**
 * Asks for `replay` of all topics that are read and written, and for `admin` where messages leave by HTTP: the service would send where its caller may
 * not reach.
 * @throws MillpondError `FORBIDDEN`.
 */
export function requireReplay(caller: Caller, { query, target }: Pick<ReplayRequest, 'query' | 'target'>): void {
  requireAccess(caller, 'replay', query.topic)
  const { kind, topic, topics = {} } = target
  if (kind === 'http' || kind === 'file') requireAccess(caller, 'admin')
  for (const name of [...Object.values(topics), ...(topic === undefined ? [] : [topic])]) requireAccess(caller, 'replay', name)
}

/** Whether the caller may see a job: one of topics that it may replay, whoever asked for it. */
export const maySee = (caller: Caller, { query }: Pick<ReplayRequest, 'query'>): boolean => caller.may('replay', query.topic)
