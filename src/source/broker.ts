import type { Store } from '../store/store.ts'
import type { Source } from './source.ts'
import type { SourceObserver } from './source-observer.ts'

/** A topic as its broker knows it; lanes are named by the numbers below `partitions`. */
export interface BrokerTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: number
}

/** Topics of a broker, and what each of their lanes holds now. */
export interface Ends {
  topics(): Promise<readonly BrokerTopic[]>
  /** By lane, from 0: the oldest position there is and the one that comes next. @throws MillpondError `TOPIC_UNKNOWN`. */
  ranges(topic: BrokerTopic): Promise<readonly { readonly oldest: number; readonly next: number }[]>
}

/** The broker that the configuration names as the source: what commands ask of it, and subscriptions. */
export interface Broker extends Ends, AsyncDisposable {
  /** Text for people, without secrets: `local log /var/lib/millpond/log.sqlite`. */
  readonly name: string
  /** What places that hold no more than the broker are called: `the log`, `Kafka`. */
  readonly place: string
  /**
   * Keeps beside the archive what the broker knows that is no message (settings of topics, offsets of groups), unless it was kept in the
   * last `everyMs`; only where a broker has such things.
   */
  keepSettings?(store: Store, options: { readonly nowMs: number; readonly everyMs: number }, signal?: AbortSignal): Promise<void>
  /** A member of the consumer group that archives. It does not close the broker. */
  openSource(observer?: SourceObserver): Promise<Source>
}
