import type * as Kafka from '@platformatic/kafka'
import type { RecordBatchInfo } from '../../encode/record-set.ts'
import { controlType, scanRecordSet } from '../../encode/record-set.ts'
import { MillpondError } from '../../errors.ts'
import { type Cluster, pauseAfter } from './cluster.ts'
import type { Purpose } from './cluster-connections.ts'
import { kafkaError, kafkaErrorName } from './cluster-errors.ts'
import type { TopicPartition } from './offsets.ts'
import { partitionName } from './offsets.ts'

/** A record batch with what it is to a reader of committed messages. */
export interface JudgedBatch {
  readonly set: Uint8Array
  readonly info: RecordBatchInfo
  readonly kind: 'messages' | 'aborted' | 'control'
}

interface Fetched {
  readonly code: number
  readonly logStart: number
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[]
  readonly set: Uint8Array
}

const API_KEY = 1
/** Kafka 2.7 and later; later versions name topics by their ids. */
const VERSION = 12
const READ_COMMITTED = 1
const MAX_WAIT_MS = 500
const FETCH_BYTES = 4 * 1024 * 1024
const NO_EPOCH = -1
const RETRY_TIMEOUT_MS = 30_000
const PURPOSE: Purpose = { name: 'partition-reader' }

/** The Fetch request of one partition, its record sets as they come. */
function createFetchApi(kafka: typeof Kafka) {
  const create = ({ topic, partition }: TopicPartition, offset: number, maxBytes: number) =>
    kafka.fetchV12.createRequest(
      MAX_WAIT_MS,
      1,
      maxBytes,
      READ_COMMITTED,
      0,
      NO_EPOCH,
      [
        {
          topicId: topic,
          partitions: [
            {
              partition,
              currentLeaderEpoch: NO_EPOCH,
              fetchOffset: BigInt(offset),
              lastFetchedEpoch: NO_EPOCH,
              partitionMaxBytes: maxBytes,
            },
          ],
        },
      ],
      [],
      '',
    )
  const parse = (_correlationId: number, _apiKey: number, _apiVersion: number, reader: Kafka.Reader): Fetched => {
    reader.readInt32()
    const code = reader.readInt16()
    reader.readInt32()
    const answers = reader.readArray((topic) => {
      topic.readString()
      return topic.readArray(readPartition)
    })
    reader.readTaggedFields()
    const answer = answers[0]?.[0]
    return answer === undefined
      ? { code, logStart: 0, aborted: [], set: new Uint8Array(0) }
      : { ...answer, code: code || answer.code }
  }
  return kafka.createAPI<[TopicPartition, number, number], Fetched>(API_KEY, VERSION, create, parse)
}

function readPartition(reader: Kafka.Reader): Fetched {
  reader.readInt32()
  const code = reader.readInt16()
  reader.readInt64()
  reader.readInt64()
  const logStart = Number(reader.readInt64())
  const aborted = reader.readNullableArray((transaction) => ({
    producerId: transaction.readInt64(),
    firstOffset: Number(transaction.readInt64()),
  }))
  reader.readInt32()
  const set = reader.readNullableBytes()
  return { code, logStart, aborted: aborted ?? [], set: set ?? new Uint8Array(0) }
}

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
  const versions = [createFetchApi(cluster.protocol)]
  let maxBytes = FETCH_BYTES
  let failingSinceMs: number | undefined
  const judge = createJudge()
  for (let offset = from, failures = 0; offset < to;) {
    signal?.throwIfAborted()
    const options = { purpose: PURPOSE, ...(signal === undefined ? {} : { signal }) }
    const fetched = await cluster.request(place, versions, [place, offset, maxBytes], options)
    if (fetched.code !== 0) {
      failingSinceMs ??= performance.now()
      await passOrThrow(cluster, place, { offset, fetched, failures: ++failures, isLate: isLate(failingSinceMs) })
      continue
    }
    failingSinceMs = undefined
    const { batches, neededBytes } = scanRecordSet(fetched.set)
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
      yield { set: fetched.set, info, kind: judge.kindOf(fetched.set, info) }
      offset = info.lastOffset + 1
    }
  }
}

const isLate = (sinceMs: number): boolean => performance.now() - sinceMs > RETRY_TIMEOUT_MS

async function passOrThrow(
  cluster: Cluster,
  place: TopicPartition,
  {
    offset,
    fetched,
    failures,
    isLate,
  }: { readonly offset: number; readonly fetched: Fetched; readonly failures: number; readonly isLate: boolean },
): Promise<void> {
  const name = partitionName(place)
  if (kafkaErrorName(cluster.protocol, fetched.code) === 'OFFSET_OUT_OF_RANGE') {
    const message = `offset ${offset} of ${name} is gone; the oldest is ${fetched.logStart}`
    throw new MillpondError('POSITION_GONE', message, { details: { ...place, oldest: fetched.logStart } })
  }
  const error = kafkaError(cluster.protocol, fetched.code, { what: `offsets of ${name} from ${offset} on` })
  if (!error.retryable || isLate) throw error
  cluster.forget(place.topic)
  await new Promise((resolve) => setTimeout(resolve, pauseAfter(failures)))
}

/** Tells batches of aborted transactions from others, as they come in order. */
function createJudge() {
  const open = new Set<bigint>()
  let coming: { readonly producerId: bigint; readonly firstOffset: number }[] = []
  return {
    /** What a fetch says of the transactions in its record set. */
    take(aborted: Fetched['aborted']): void {
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
