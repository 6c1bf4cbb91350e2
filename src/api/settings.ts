import type { Logger } from 'pino'
import type { Broker } from '../source/broker.ts'
import type { Store } from '../store/store.ts'
import { startPeriodic } from './periodic.ts'

/** How old what is kept of a broker's settings and groups may be. */
const EVERY_MS = 10 * 60_000

/** Keeps the broker's settings beside the archive, now and then, until `signal` aborts. What fails is told and tried again. */
export async function keepSettings(broker: Broker, store: Store, logger: Logger, signal: AbortSignal): Promise<void> {
  if (broker.keepSettings === undefined) return
  const keep = async (): Promise<void> => {
    try {
      await broker.keepSettings!(store, { nowMs: Date.now(), everyMs: EVERY_MS }, signal)
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ err: error }, 'settings of topics and offsets of groups were not kept; they are tried again')
    }
  }
  await startPeriodic(EVERY_MS, keep, signal).done
}
