import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import { isMillpondError } from '../errors.ts'
import { type ExpireOptions, expireArchive } from '../expire/expire.ts'
import { fitsPattern, retentionOf, type RetentionRules } from '../expire/retention.ts'
import { followChains } from '../index/follow.ts'
import type { SegmentIndex } from '../index/segment-index.ts'
import type { Store } from '../store/store.ts'
import { startPeriodic } from './periodic.ts'
import type { Readiness } from './readiness.ts'

export interface ExpiringParts {
  readonly store: Store
  readonly index: SegmentIndex
  readonly logger: Logger
  readonly readiness: Readiness
  /** Who asks, as records tell it. */
  readonly by: string
}

const PART = 'expire'

/** Removes what is past its time, as often as `archive.expire` says, until `signal` aborts; undefined where it names no topic. */
export function startExpiring(
  { archive }: Config,
  { store, index, logger, readiness, by }: ExpiringParts,
  signal: AbortSignal,
): { readonly done: Promise<void> } | undefined {
  const { topics, everyMs, keepRemovedMs, holds } = archive.expire
  if (topics.length === 0) return undefined
  const options: ExpireOptions = {
    rulesOf: (topic) => retentionOf(topics, topic),
    isHeld: (topic) => holds.some((pattern) => fitsPattern(topic, pattern)),
    mayBeDue: (topic, rules) => mayBeDue(index, topic, rules),
    by,
    keepRemovedMs,
  }
  const expire = async (): Promise<void> => {
    try {
      const { lanes, held } = await expireArchive(store, options, { signal })
      const messages = lanes.reduce((sum, lane) => sum + lane.messages, 0)
      const deleted = lanes.reduce((sum, lane) => sum + lane.deleted.objects, 0)
      if (messages > 0) await followChains(store, index, {}, signal)
      readiness.settle(PART, '')
      logger[messages + deleted > 0 ? 'info' : 'debug']({ messages, deleted, held }, 'expired what was past its time')
    } catch (error) {
      if (signal.aborted) return
      const why = isMillpondError(error) ? `${error.code}: ${error.message}` : String(error)
      readiness.tell(PART, { state: 'amber', why: `nothing is removed from the archive: ${why}` })
      logger.error({ err: error }, 'expiring failed; it is tried again')
    }
  }
  return startPeriodic(everyMs, expire, signal)
}

/** Asks the index, which may be a little behind: what is due then is found the next time. */
async function mayBeDue(index: SegmentIndex, topic: string, { olderThanMs, maxBytes }: RetentionRules): Promise<boolean> {
  if (maxBytes !== undefined) {
    const lanes = await index.lanes(topic)
    if (lanes.reduce((sum, { bytes }) => sum + bytes, 0) > maxBytes) return true
  }
  if (olderThanMs === undefined) return false
  const to = Date.now() - olderThanMs
  for await (const { maxTimestamp } of index.segments({ topic, timestamps: { to } })) if (maxTimestamp < to) return true
  return false
}
