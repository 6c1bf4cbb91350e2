import { setTimeout as wait } from 'node:timers/promises'
import { isMillpondError, MillpondError, wrapError } from '../../errors.ts'
import { laneName, type LaneId } from '../../source/lane.ts'
import type { SourceObserver } from '../../source/source-observer.ts'
import { sourceTruncated } from '../../source/truncated.ts'
import type { Cluster } from './cluster.ts'
import type { KafkaTopic } from './cluster-topics.ts'
import { pauseAfter } from './waiting.ts'
import { isMetadataStale, kafkaError, kafkaErrorName } from './cluster-errors.ts'
import type { FetchedPartition, FetchRequest } from './fetch-api.ts'
import { type BrokerFetching, createBrokerFetching } from './fetch-broker.ts'
import { type FetchedSet, keepRecords } from './fetch-kept.ts'
import { createSetMemory, setBytes } from './fetch-memory.ts'
import type { PartitionOffsets } from './fetch-offsets.ts'
import { createStream, type Stream, wake } from './fetch-stream.ts'
import { type LaneEpochs, NO_EPOCH } from './lane-epochs.ts'

export interface FetchOptions {
  readonly isolation: FetchRequest['isolation']
  /**
   * Bytes of record sets that wait for their readers or are held by them, of all partitions together. From half of it on only who has none that
   * waits is served, and past it only who holds none either: one set a partition comes on top at the most, and nobody starves.
   */
  readonly bufferBytes: number
  readonly observer: SourceObserver
  readonly epochs: LaneEpochs
}

/** Record sets of one partition, in order, from a position on. */
export interface FetchStream {
  /**
   * The next record set, waited for until the signal aborts; then undefined. Who asks is done with the one before.
   * @throws MillpondError after all that came before was given: `POSITION_GONE`, `SOURCE_TRUNCATED`, `BROKER_REFUSED`, `RECORD_SET_CORRUPT`;
   * `BROKER_UNAVAILABLE` where nothing can be fetched for long.
   */
  next(): Promise<FetchedSet | undefined>
  close(): void
}

/** Fetches from all brokers for all readers: of one broker many partitions in one request. */
export interface Fetcher {
  open(lane: LaneId, position: number, signal: AbortSignal): FetchStream
  /** Takes back the memory of a record set that nobody looks at any more; it need not be done. */
  readonly release: (set: FetchedSet) => void
  close(): void
}

/** What is kept of the memory of sets for the next ones: as much as is on its way at a time. */
const SPARE_SHARE = 1 / 2
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
const MAX_PARTITION_BYTES = 2 * 1024 * 1024
const MIN_PARTITION_BYTES = 32 * 1024
/** A corrupt record set may have been damaged on its way. */
const MAX_CORRUPT_SETS = 3
/** A leader that was just elected may not know its own end and epoch yet. */
const MAX_OUT_OF_RANGE = 8
/** What fails for longer is told to the reader, which tries again and lets it be known. */
const MAX_SILENCE_MS = 60_000

const OFFSET_OUT_OF_RANGE = 1
const LEADER_NOT_AVAILABLE = 5
/** Errors of a partition that no waiting mends. */
const LASTING = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'UNSUPPORTED_VERSION',
  'INVALID_TOPIC_EXCEPTION',
])

export function createFetcher(cluster: Cluster, offsets: PartitionOffsets, options: FetchOptions): Fetcher {
  const { isolation, bufferBytes, observer, epochs } = options
  const stop = new AbortController()
  const brokers = new Map<number, BrokerFetching>()
  const open = new Set<Stream>()
  const memory = createSetMemory(bufferBytes * SPARE_SHARE)
  /** Where lanes that are to be read again were cut back to. */
  const cuts = new WeakMap<LaneId, number>()
  let clock = 0
  /** Of all that wait and that readers hold. */
  let heldBytes = 0

  const partitionBytes = () => {
    const share = Math.floor(bufferBytes / (2 * Math.max(1, open.size)))
    return Math.min(MAX_PARTITION_BYTES, Math.max(MIN_PARTITION_BYTES, share))
  }
  const crowding = () => {
    if (heldBytes < bufferBytes / 2) return 'none'
    return heldBytes < bufferBytes ? 'crowded' : 'full'
  }
  const brokerOf = (node: number): BrokerFetching => {
    const there = brokers.get(node)
    if (there !== undefined) return there
    const made = createBrokerFetching({
      cluster,
      node,
      isolation,
      memory,
      signal: stop.signal,
      partitionBytes,
      // What is under way from all brokers together is bounded too.
      answerBytes: () => Math.min(MAX_ANSWER_BYTES, Math.floor(bufferBytes / (4 * brokers.size))),
      crowding,
      onFetched: take,
      onFailed: (stream, error) => retry(stream, wrapError(error, 'BROKER_UNAVAILABLE', `fetching ${laneName(stream.lane)}`)),
    })
    brokers.set(node, made)
    return made
  }
  const startAll = () => {
    for (const broker of brokers.values()) broker.start()
  }

  /** Hands the stream to the broker that leads its partition, as soon as one does. */
  const place = async (stream: Stream): Promise<void> => {
    try {
      if (stream.failures > 0) await wait(pauseAfter(stream.failures), undefined, { signal: stop.signal })
      stream.lastEpoch ??= await epochs.before(stream.lane, stream.fromPosition)
      const topic = await cluster.topic(stream.lane.topic, stop.signal)
      const leader = topic.topicId === stream.lane.topicId ? leaderOf(topic, stream.partition) : undefined
      if (leader === undefined) throw kafkaError(LEADER_NOT_AVAILABLE, { what: laneName(stream.lane) })
      if (stream.isClosed) return
      stream.leaderEpoch = leader.epoch
      brokerOf(leader.node).add(stream)
    } catch (error) {
      if (!stop.signal.aborted) retry(stream, error)
    }
  }
  /** Fetches again after a pause, from who leads the partition then; what does not pass, or not for long, ends the stream. */
  const retry = (stream: Stream, error: unknown, isStale = true) => {
    leave(stream)
    if (stream.isClosed) return
    if (stream.failures === 0) stream.failingSinceMs = performance.now()
    stream.failures += 1
    // A topic that is gone is one whose lane is revoked within moments.
    const isPassing = isMillpondError(error) && (error.retryable || error.code === 'TOPIC_UNKNOWN')
    if (!isPassing || performance.now() - stream.failingSinceMs > MAX_SILENCE_MS) return fail(stream, error)
    stream.isSettled = false
    observer.retrying(stream.lane, error)
    // At once, so that all that fail together learn the new leaders by one request.
    if (isStale) cluster.forget(stream.lane.topic)
    void place(stream)
  }
  const fail = (stream: Stream, error: unknown) => {
    stream.failure = error
    // What passes is tried again by the reader: the trouble is not over.
    if (!isMillpondError(error) || !error.retryable) observer.settled(stream.lane)
    leave(stream)
    wake(stream)
  }
  const leave = (stream: Stream) => {
    for (const broker of brokers.values()) broker.streams.delete(stream)
  }

  const take = (stream: Stream, fetched: FetchedPartition) => {
    const { records, aborted, highWatermark, lastStableOffset, errorCode } = fetched
    stream.isQuiet = records.byteLength === 0
    if (errorCode !== 0) return heedError(stream, errorCode)
    if (fetched.diverging !== undefined) return cutBack(stream, epochs.commonEnd(stream.lane, fetched.diverging))
    stream.failures = 0
    stream.outOfRange = 0
    if (!stream.isSettled) observer.settled(stream.lane)
    stream.isSettled = true
    const end = lastStableOffset >= 0 && isolation === 'committed' ? lastStableOffset : highWatermark
    stream.isAtEnd = stream.offset >= end
    if (stream.isQuiet) return
    let set: ReturnType<typeof keepRecords>
    try {
      set = keepRecords(records, stream.offset, aborted)
    } catch (error) {
      stream.corruptSets += 1
      const isLasting = !isMillpondError(error, 'RECORD_SET_CORRUPT') || stream.corruptSets >= MAX_CORRUPT_SETS
      if (isLasting) fail(stream, error)
      return
    }
    if ('neededBytes' in set) {
      stream.neededBytes = set.neededBytes
      memory.giveBack(records)
      return
    }
    stream.corruptSets = 0
    stream.neededBytes = set.longestBytes
    epochs.read(stream.lane, stream.offset, set.epochs)
    stream.lastEpoch = set.epochs.at(-1)?.epoch ?? NO_EPOCH
    stream.offset = set.passedTo
    stream.isAtEnd = set.passedTo >= end
    stream.served = ++clock
    stream.waiting.push(set)
    stream.waitingBytes += setBytes(records)
    heldBytes += setBytes(records)
    wake(stream)
  }
  /**
   * The leader has no more than what lies below `end` of what was read, and gives the positions from there on to other messages. What waits is
   * dropped; the lane is read again from its chain, unless that holds some of what was lost: then it must not go on.
   */
  const cutBack = (stream: Stream, end: number) => {
    const { lane, offset, fromPosition } = stream
    leave(stream)
    drop(stream)
    if (end < fromPosition) return fail(stream, sourceTruncated(lane, fromPosition, end))
    cuts.set(lane, end)
    const message = `the cluster has lost messages of ${laneName(lane)} from ${end} on, which was read up to ${offset}; the lane is read again`
    fail(stream, new MillpondError('BROKER_UNAVAILABLE', message, { details: { position: offset, end } }))
  }
  const isFull = (stream: Stream) => stream.waitingBytes > partitionBytes() || crowding() !== 'none'
  /** Gives a set to the reader, who is done with the one before; what was left out for the lack of room is asked for again. */
  const give = (stream: Stream): FetchedSet | undefined => {
    const wasFull = isFull(stream)
    heldBytes -= stream.givenBytes
    const set = stream.waiting.shift()
    stream.givenBytes = set === undefined ? 0 : setBytes(set.bytes)
    stream.waitingBytes -= stream.givenBytes
    if (wasFull) startAll()
    return set
  }
  const drop = (stream: Stream) => {
    const wasFull = isFull(stream)
    heldBytes -= stream.waitingBytes
    stream.waiting.length = 0
    stream.waitingBytes = 0
    if (wasFull) startAll()
  }
  const heedError = (stream: Stream, errorCode: number) => {
    if (errorCode === OFFSET_OUT_OF_RANGE) {
      leave(stream)
      void findRange(stream)
      return
    }
    const error = kafkaError(errorCode, { what: `fetching ${laneName(stream.lane)}` })
    // All others pass, or are the broker's own trouble, which may.
    if (LASTING.has(kafkaErrorName(errorCode))) fail(stream, error)
    else retry(stream, passing(error), isMetadataStale(error))
  }
  /** What became of a position that the broker does not have. */
  const findRange = async (stream: Stream): Promise<void> => {
    const { lane, offset } = stream
    try {
      const [oldest, next] = await Promise.all([offsets.of(lane, 'oldest'), offsets.of(lane, 'end')])
      if (oldest === undefined || next === undefined) {
        return retry(
          stream,
          new MillpondError('TOPIC_UNKNOWN', `Kafka no longer has ${laneName(lane)}`, { details: { ...lane } }),
        )
      }
      if (offset < oldest) {
        const message = `${laneName(lane)} no longer has position ${offset}; its oldest is ${oldest}`
        return fail(stream, new MillpondError('POSITION_GONE', message, { details: { position: offset, oldest } }))
      }
      stream.outOfRange += 1
      if (stream.outOfRange >= MAX_OUT_OF_RANGE) {
        if (offset > next) return cutBack(stream, next)
        // It answers so too where it knows no such epoch. That is not believed at once: a log that was cut back and grew looks the same.
        stream.lastEpoch = NO_EPOCH
      }
      const message = `the leader of ${laneName(lane)} has positions up to ${next}, and ${offset} is to be read`
      retry(stream, new MillpondError('BROKER_UNAVAILABLE', message, { details: { position: offset, next } }))
    } catch (error) {
      retry(stream, error)
    }
  }

  return {
    open(lane, position, signal) {
      const stream = createStream(lane, position)
      const close = () => {
        if (!open.delete(stream)) return
        stream.isClosed = true
        leave(stream)
        signal.removeEventListener('abort', close)
        drop(stream)
        give(stream)
        wake(stream)
      }
      open.add(stream)
      signal.addEventListener('abort', close, { once: true })
      const cut = cuts.get(lane)
      cuts.delete(lane)
      if (signal.aborted || stop.signal.aborted) close()
      else if (cut !== undefined && cut < position) fail(stream, sourceTruncated(lane, position, cut))
      else void place(stream)
      return {
        async next() {
          for (;;) {
            const set = give(stream)
            if (set !== undefined) return set
            if (stream.failure !== undefined) throw stream.failure
            if (stream.isClosed) return undefined
            await stream.changed.promise
          }
        },
        close,
      }
    },
    release: ({ bytes }) => memory.giveBack(bytes),
    close() {
      stop.abort()
      for (const stream of open) {
        stream.isClosed = true
        wake(stream)
      }
    },
  }
}

/** The same as one that is tried again. */
const passing = (error: MillpondError): MillpondError =>
  error.retryable ? error : new MillpondError('BROKER_UNAVAILABLE', error.message, { cause: error, details: error.details })

function leaderOf(topic: KafkaTopic, partition: number): { readonly node: number; readonly epoch: number } | undefined {
  const found = topic.partitions.find((each) => each.partition === partition)
  return found === undefined || found.leader < 0 ? undefined : { node: found.leader, epoch: found.leaderEpoch }
}
