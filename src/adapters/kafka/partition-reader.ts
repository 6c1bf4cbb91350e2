import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordBatchInfo } from '../../encode/record-set.ts'
import { controlType, scanRecordSet } from '../../encode/record-set.ts'
import { MillpondError } from '../../errors.ts'
import type { Cluster } from './cluster.ts'
import { pauseAfter } from './waiting.ts'
import type { Purpose } from './cluster-connections.ts'
import { kafkaError, kafkaErrorName } from './cluster-errors.ts'
import { type AbortedTransaction, type FetchRequest, fetchVersions } from './fetch-api.ts'
import type { TopicPartition } from './offsets.ts'
import { partitionName } from './offsets.ts'

/** A record batch with what it is to a reader of committed messages. */
export interface JudgedBatch {
  readonly set: Uint8Array
  readonly info: RecordBatchInfo
  readonly kind: 'messages' | 'aborted' | 'control'
}

const MAX_WAIT_MS = 500
const FETCH_BYTES = 4 * 1024 * 1024
const NO_EPOCH = -1
const RETRY_TIMEOUT_MS = 30_000
const PURPOSE: Purpose = { name: 'partition-reader', isBulk: true }

/**
 * Record batches of a partition that cover offsets from `from` to before `to`, in order; the first and last may hold others beside. Nothing is
 * left out: control batches and those of aborted transactions are given as such. It ends at `to`, which must not be behind the stable end.
 * @throws MillpondError `POSITION_GONE` where the broker no longer has `from`; its details name the `oldest` it has. `RECORD_SET_CORRUPT`.
 */
export async function* readPartitionBatches(
  cluster: Cluster,
  place: TopicPartition,
  { from, to }: { readonly from: number; readonly to: number },
  signal?: AbortSignal,
): AsyncGenerator<JudgedBatch> {
  const { byName } = fetchVersions()
  let maxBytes = FETCH_BYTES
  let failingSinceMs: number | undefined
  const judge = createJudge()
  for (let offset = from, failures = 0; offset < to;) {
    signal?.throwIfAborted()
    const options = { purpose: PURPOSE, ...(signal === undefined ? {} : { signal }) }
    const answer = await cluster.request(place, byName, [fetchRequest(place, offset, maxBytes)], options)
    const fetched = answer.partitions[0]
    const errorCode = answer.errorCode === 0 ? (fetched?.errorCode ?? 0) : answer.errorCode
    if (errorCode !== 0 || fetched === undefined) {
      failingSinceMs ??= performance.now()
      const failure = { offset, errorCode, oldest: fetched?.logStartOffset, failures: ++failures, isLate: isLate(failingSinceMs) }
      await passOrThrow(cluster, place, failure)
      continue
    }
    failingSinceMs = undefined
    const { batches, neededBytes } = scanRecordSet(fetched.records)
    if (batches.length === 0) {
      if (neededBytes === undefined) return
      // Even one batch alone is more.
      maxBytes = Math.max(maxBytes * 2, neededBytes)
      continue
    }
    judge.take(fetched.aborted)
    for (const info of batches) {
      if (info.lastOffset < offset) continue
      if (info.baseOffset >= to) return
      yield { set: fetched.records, info, kind: judge.kindOf(fetched.records, info) }
      offset = info.lastOffset + 1
    }
  }
}

const isLate = (sinceMs: number): boolean => performance.now() - sinceMs > RETRY_TIMEOUT_MS

const fetchRequest = ({ topic, partition }: TopicPartition, offset: number, maxBytes: number): FetchRequest => ({
  maxWaitMs: MAX_WAIT_MS,
  minBytes: 1,
  maxBytes,
  isolation: 'committed',
  rack: '',
  partitions: [{ topic, topicId: topic, partition, leaderEpoch: NO_EPOCH, offset, lastFetchedEpoch: NO_EPOCH, maxBytes }],
})

interface Failure {
  readonly offset: number
  readonly errorCode: number
  readonly oldest: number | undefined
  readonly failures: number
  readonly isLate: boolean
}

async function passOrThrow(
  cluster: Cluster,
  place: TopicPartition,
  { offset, errorCode, oldest, failures, isLate }: Failure,
): Promise<void> {
  const name = partitionName(place)
  if (kafkaErrorName(errorCode) === 'OFFSET_OUT_OF_RANGE') {
    const message = `offset ${offset} of ${name} is gone; the oldest is ${oldest}`
    throw new MillpondError('POSITION_GONE', message, { details: { ...place, oldest } })
  }
  const error = kafkaError(errorCode, { what: `offsets of ${name} from ${offset} on` })
  if (!error.retryable || isLate) throw error
  cluster.forget(place.topic)
  await sleep(pauseAfter(failures))
}

/** Tells batches of aborted transactions from others, as they come in order. */
function createJudge() {
  const open = new Set<bigint>()
  let coming: AbortedTransaction[] = []
  return {
    /** What a fetch says of the transactions in its record set. */
    take(aborted: readonly AbortedTransaction[]): void {
      coming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
    },
    kindOf(set: Uint8Array, info: RecordBatchInfo): JudgedBatch['kind'] {
      while (coming[0] !== undefined && coming[0].firstOffset <= info.lastOffset) open.add(coming.shift()!.producerId)
      if (info.isControl) {
        if (controlType(set, info) === 'abort') open.delete(info.producerId)
        return 'control'
      }
      return info.isTransactional && open.has(info.producerId) ? 'aborted' : 'messages'
    },
  }
}
