import type { Store } from '../../store/store.ts'
import { openCluster } from './cluster.ts'
import { groupLag, type PartitionLag } from './lag.ts'
import { type RestoreOrder, type RestoreParts, type RestoreReport, restoreTopic } from './restore.ts'
import type { KafkaSinkOptions } from './sink.ts'
import { type KafkaVerifyOptions, type KafkaVerifyReport, verifyAgainstKafka } from './verify.ts'

/** What is done with a whole cluster, beside reading and writing messages. */
export interface KafkaOperations extends AsyncDisposable {
  /** How far a consumer group is behind each partition that it has committed an offset for. */
  groupLag(group: string, signal: AbortSignal): Promise<PartitionLag[]>
  /** Accounts for every offset of the archived topics. */
  verify(store: Store, options: KafkaVerifyOptions, signal: AbortSignal): Promise<KafkaVerifyReport>
  /** Restores a topic of the archive in this cluster. */
  restore(parts: Omit<RestoreParts, 'cluster' | 'sink'>, order: RestoreOrder, signal: AbortSignal): Promise<RestoreReport>
}

/** Connects to the cluster. @throws MillpondError `BROKER_UNAVAILABLE`, `BROKER_REFUSED`, `DEPENDENCY_MISSING`. */
export async function openKafkaOperations(options: KafkaSinkOptions): Promise<KafkaOperations> {
  const cluster = await openCluster(options)
  return {
    groupLag: (group, signal) => groupLag(cluster, group, signal),
    verify: (store, verifyOptions, signal) => verifyAgainstKafka(cluster, store, verifyOptions, signal),
    restore: (parts, order, signal) => restoreTopic({ ...parts, cluster, sink: options }, order, signal),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}
