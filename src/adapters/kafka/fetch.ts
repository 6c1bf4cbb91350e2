import { setTimeout as wait } from 'node:timers/promises'
import { isMillpondError, MillpondError, wrapError } from '../../errors.ts'
import { laneName, type LaneId } from '../../source/lane.ts'
import { type Cluster, type KafkaTopic, pauseAfter } from './cluster.ts'
import { isMetadataStale, kafkaError, kafkaErrorName } from './cluster-errors.ts'
import { type FetchAnswer, type FetchedPartition, fetchVersions, isTopicId } from './fetch-api.ts'
import { keepRecords, type FetchedSet } from './fetch-kept.ts'
import type { PartitionOffsets } from './fetch-offsets.ts'

export interface FetchOptions {
  readonly isolation: 'committed' | 'uncommitted'
  /** Bytes of record sets that wait for their readers, of all partitions together. */
  readonly bufferBytes: number
  /** The name of the place that this process is in, as brokers know it. */
  readonly rack: string
}

/** Record sets of one partition, in order, from a position on. */
export interface FetchStream {
  /**
   * The next record set, waited for until the signal aborts; then undefined.
   * @throws MillpondError `POSITION_GONE`, `POSITION_INVALID`, `BROKER_REFUSED`, `RECORD_SET_CORRUPT`, after all that came before was given.
   */
  next(): Promise<FetchedSet | undefined>
  close(): void
}

/** Fetches from all brokers for all readers: of one broker many partitions in one request. */
export interface Fetcher {
  open(lane: LaneId, position: number, signal: AbortSignal): FetchStream
  close(): void
}

/** Requests that a broker has of one client at a time, each on its own connection: while one waits at the broker, others go on. */
const REQUESTS_A_BROKER = 3
/** Where all was quiet the last time, the broker waits this long for a first message. */
const QUIET_WAIT_MS = 500
/** Where messages trickle in, what comes in this time is taken at once; longer where partitions are many, for each costs some work. */
const MIN_TRICKLE_WAIT_MS = 100
const MAX_TRICKLE_WAIT_MS = 500
const TRICKLE_WAIT_MS_A_PARTITION = 0.5
/** Where a partition waits for its reader, the next request is not to be long in coming. */
const BUSY_WAIT_MS = 50
const TRICKLE_BYTES_A_PARTITION = 64 * 1024
const MAX_TRICKLE_BYTES = 4 * 1024 * 1024
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
const MAX_PARTITION_BYTES = 2 * 1024 * 1024
const MIN_PARTITION_BYTES = 32 * 1024
/** A corrupt record set may have been damaged on its way. */
const MAX_CORRUPT_SETS = 3
/** A leader that was just elected may not know its own end yet. */
const MAX_BEYOND_END = 8

const OFFSET_OUT_OF_RANGE = 1
/** Errors of a partition that no waiting mends. */
const LASTING = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'UNSUPPORTED_VERSION',
  'INVALID_TOPIC_EXCEPTION',
])

interface Stream {
  readonly lane: LaneId
  readonly partition: number
  /** What the next request asks for. */
  offset: number
  readonly waiting: FetchedSet[]
  waitingBytes: number
  /** What ends the stream, given after what waits. */
  failure: unknown
  isClosed: boolean
  isInFlight: boolean
  /** Nothing came the last time. */
  isQuiet: boolean
  /** The last time brought all that there was. */
  isAtEnd: boolean
  /** Orders requests: who was served longest ago comes first, so that a batch larger than its share has its turn. */
  served: number
  leaderEpoch: number
  /** Asked for at the least, where one batch is so large. */
  neededBytes: number
  failures: number
  corruptSets: number
  beyondEnd: number
  changed: PromiseWithResolvers<void>
}

export function createFetcher(cluster: Cluster, offsets: PartitionOffsets, options: FetchOptions): Fetcher {
  const stop = new AbortController()
  const brokers = new Map<number, BrokerFetching>()
  const versions = fetchVersions(cluster.protocol)
  const open = new Set<Stream>()
  let clock = 0
  let waitingBytes = 0

  const partitionBytes = () => {
    const share = Math.floor(options.bufferBytes / (2 * Math.max(1, open.size)))
    return Math.min(MAX_PARTITION_BYTES, Math.max(MIN_PARTITION_BYTES, share))
  }
  const wake = (stream: Stream) => {
    stream.changed.resolve()
    stream.changed = Promise.withResolvers<void>()
  }
  const fail = (stream: Stream, error: unknown) => {
    stream.failure = error
    leave(stream)
    wake(stream)
  }
  const leave = (stream: Stream) => {
    for (const broker of brokers.values()) broker.streams.delete(stream)
  }
  /** Hands the stream to the broker that leads its partition, as soon as one does; ends it where the topic is gone. */
  const place = async (stream: Stream): Promise<void> => {
    while (!stream.isClosed && !stop.signal.aborted) {
      try {
        if (stream.failures > 0) await wait(pauseAfter(stream.failures), undefined, { signal: stop.signal })
        const topic = await cluster.topic(stream.lane.topic, stop.signal)
        if (topic.topicId !== stream.lane.topicId) return end(stream)
        const leader = leaderOf(topic, stream.partition)
        if (leader === undefined) throw kafkaError(cluster.protocol, 5, { what: laneName(stream.lane) })
        if (stream.isClosed) return
        stream.leaderEpoch = leader.epoch
        brokerOf(leader.node).add(stream)
        return
      } catch (error) {
        if (stop.signal.aborted) return
        if (isMillpondError(error, 'TOPIC_UNKNOWN')) return end(stream)
        if (!isMillpondError(error) || !error.retryable) return fail(stream, error)
        stream.failures += 1
        cluster.forget(stream.lane.topic)
      }
    }
  }
  /** The topic is gone: nothing comes any more, and the reader waits for the lane's revocation. */
  const end = leave
  const brokerOf = (node: number): BrokerFetching => {
    const there = brokers.get(node)
    if (there !== undefined) return there
    const made = createBroker(node)
    brokers.set(node, made)
    return made
  }
  const replace = (stream: Stream, isStale: boolean) => {
    leave(stream)
    stream.failures += 1
    // At once, so that all that fail together learn the new leaders by one request.
    if (isStale) cluster.forget(stream.lane.topic)
    void place(stream)
  }

  /** Requests to one broker, for the streams whose partitions it leads. */
  const createBroker = (node: number): BrokerFetching => {
    const streams = new Set<Stream>()
    const running = new Set<number>()
    /** What to ask for now, and whether something that could be asked for is not among it. */
    const choose = (): { readonly chosen: readonly Stream[]; readonly isSomeLeftOut: boolean } => {
      const share = partitionBytes()
      const isCrowded = waitingBytes >= options.bufferBytes
      const ready: Stream[] = []
      const partitions = new Set<string>()
      let isSomeLeftOut = false
      for (const stream of [...streams].sort((a, b) => a.served - b.served)) {
        if (stream.isInFlight) continue
        const name = `${stream.lane.topicId} ${stream.partition}`
        if (stream.waitingBytes > (isCrowded ? 0 : share) || partitions.has(name)) {
          isSomeLeftOut = true
          continue
        }
        partitions.add(name)
        ready.push(stream)
      }
      // Two requests share what is there, so that one is answered while the other's answer is worked on.
      const count = running.size === 0 && ready.length > 1 ? Math.ceil(ready.length / 2) : ready.length
      return { chosen: ready.slice(0, count), isSomeLeftOut: isSomeLeftOut || count < ready.length }
    }
    const start = () => {
      for (let slot = 0; slot < REQUESTS_A_BROKER && !stop.signal.aborted; slot++) {
        if (running.has(slot)) continue
        const { chosen, isSomeLeftOut } = choose()
        if (chosen.length === 0) return
        running.add(slot)
        for (const stream of chosen) stream.isInFlight = true
        void run(slot, chosen, isSomeLeftOut)
      }
    }
    const run = async (slot: number, chosen: readonly Stream[], isSomeLeftOut: boolean) => {
      try {
        const answer = await ask(slot, chosen, isSomeLeftOut)
        if (answer.errorCode !== 0) throw kafkaError(cluster.protocol, answer.errorCode, { what: 'Fetch' })
        for (const stream of chosen) stream.isInFlight = false
        take(chosen, answer)
      } catch (error) {
        for (const stream of chosen) {
          stream.isInFlight = false
          if (stream.isClosed || stop.signal.aborted) continue
          if (isMillpondError(error, 'BROKER_UNAVAILABLE')) replace(stream, true)
          else fail(stream, wrapError(error, 'BROKER_UNAVAILABLE', `fetching ${laneName(stream.lane)}`))
        }
      } finally {
        running.delete(slot)
        start()
      }
    }
    const ask = (slot: number, chosen: readonly Stream[], isSomeLeftOut: boolean): Promise<FetchAnswer> => {
      const share = partitionBytes()
      const isById = chosen.every(({ lane }) => isTopicId(lane.topicId))
      const isQuiet = chosen.every((stream) => stream.isQuiet)
      const isTrickle = !isQuiet && chosen.every((stream) => stream.isAtEnd)
      const waitMs = isTrickle ? trickleWaitMs(chosen.length) : QUIET_WAIT_MS
      return cluster.request(
        { node },
        isById ? versions.byId : versions.byName,
        [
          {
            maxWaitMs: isSomeLeftOut ? BUSY_WAIT_MS : waitMs,
            minBytes: isTrickle ? Math.min(MAX_TRICKLE_BYTES, chosen.length * TRICKLE_BYTES_A_PARTITION) : 1,
            maxBytes: Math.min(MAX_ANSWER_BYTES, Math.max(Math.floor(options.bufferBytes / 4), share)),
            isolation: options.isolation,
            rack: options.rack,
            partitions: chosen.map(({ lane, partition, leaderEpoch, offset, neededBytes }) => ({
              topic: lane.topic,
              topicId: lane.topicId,
              partition,
              leaderEpoch,
              offset,
              maxBytes: Math.max(share, neededBytes),
            })),
          },
        ],
        { once: true, purpose: { name: `fetch ${slot}` }, signal: stop.signal },
      )
    }
    const take = (chosen: readonly Stream[], answer: FetchAnswer) => {
      const byName = new Map(chosen.map((stream) => [partitionKey(answer, stream), stream]))
      for (const fetched of answer.partitions) {
        const stream = byName.get(`${fetched.topic} ${fetched.partition}`)
        if (stream === undefined || stream.isClosed) continue
        stream.isQuiet = fetched.records.byteLength === 0
        if (fetched.errorCode !== 0) heedError(stream, fetched)
        else takeRecords(stream, fetched)
      }
    }
    const add = (stream: Stream) => {
      streams.add(stream)
      start()
    }
    return { streams, add, start }
  }

  const takeRecords = (stream: Stream, { records, aborted, highWatermark, lastStableOffset }: FetchedPartition) => {
    stream.failures = 0
    stream.beyondEnd = 0
    const end = lastStableOffset >= 0 && options.isolation === 'committed' ? lastStableOffset : highWatermark
    stream.isAtEnd = stream.offset >= end
    if (records.byteLength === 0) return
    let set: ReturnType<typeof keepRecords>
    try {
      set = keepRecords(records, stream.offset, aborted)
    } catch (error) {
      stream.corruptSets += 1
      const isLasting = !isMillpondError(error, 'RECORD_SET_CORRUPT') || stream.corruptSets >= MAX_CORRUPT_SETS
      if (isLasting) fail(stream, error)
      else replace(stream, false)
      return
    }
    if ('neededBytes' in set) {
      stream.neededBytes = set.neededBytes
      return
    }
    stream.corruptSets = 0
    stream.neededBytes = 0
    stream.offset = set.passedTo
    stream.isAtEnd = set.passedTo >= end
    stream.served = ++clock
    stream.waiting.push(set)
    hold(stream, set.bytes.byteLength)
    wake(stream)
  }
  const hold = (stream: Stream, bytes: number) => {
    stream.waitingBytes += bytes
    waitingBytes += bytes
  }
  /** Gives room back; what was left out for the lack of it is asked for again. */
  const release = (stream: Stream, bytes: number) => {
    const share = partitionBytes()
    const wasFull = stream.waitingBytes > share || waitingBytes >= options.bufferBytes
    hold(stream, -bytes)
    if (wasFull) for (const broker of brokers.values()) broker.start()
  }
  const heedError = (stream: Stream, { errorCode }: FetchedPartition) => {
    const { protocol } = cluster
    if (errorCode === OFFSET_OUT_OF_RANGE) {
      leave(stream)
      void findRange(stream)
      return
    }
    const error = kafkaError(protocol, errorCode, { what: `fetching ${laneName(stream.lane)}` })
    if (LASTING.has(kafkaErrorName(protocol, errorCode))) fail(stream, error)
    // All others pass, or are the broker's own trouble, which may.
    else replace(stream, isMetadataStale(error))
  }
  /** What became of a position that the broker does not have. */
  const findRange = async (stream: Stream): Promise<void> => {
    const { lane, offset } = stream
    try {
      const [oldest, next] = await Promise.all([offsets.of(lane, 'oldest'), offsets.of(lane, 'end')])
      if (oldest === undefined || next === undefined) return end(stream)
      if (offset < oldest) {
        const message = `${laneName(lane)} no longer has position ${offset}; its oldest is ${oldest}`
        return fail(stream, new MillpondError('POSITION_GONE', message, { details: { position: offset, oldest } }))
      }
      stream.beyondEnd += offset > next ? 1 : 0
      if (stream.beyondEnd >= MAX_BEYOND_END) {
        const message = `${laneName(lane)} has positions up to ${next} only: what lay below ${offset} was lost by the cluster, or is of another one`
        return fail(stream, new MillpondError('POSITION_INVALID', message, { details: { position: offset, next } }))
      }
      replace(stream, true)
    } catch (error) {
      if (isMillpondError(error) && error.retryable) replace(stream, true)
      else fail(stream, error)
    }
  }

  return {
    open(lane, position, signal) {
      const stream: Stream = {
        lane,
        partition: Number(lane.lane),
        offset: position,
        waiting: [],
        waitingBytes: 0,
        failure: undefined,
        isClosed: false,
        isInFlight: false,
        isQuiet: false,
        isAtEnd: false,
        served: 0,
        leaderEpoch: -1,
        neededBytes: 0,
        failures: 0,
        corruptSets: 0,
        beyondEnd: 0,
        changed: Promise.withResolvers<void>(),
      }
      const close = () => {
        if (!open.delete(stream)) return
        stream.isClosed = true
        leave(stream)
        stream.waiting.length = 0
        signal.removeEventListener('abort', close)
        release(stream, stream.waitingBytes)
        wake(stream)
      }
      open.add(stream)
      signal.addEventListener('abort', close, { once: true })
      if (signal.aborted || stop.signal.aborted) close()
      else void place(stream)
      return {
        async next() {
          for (;;) {
            const set = stream.waiting.shift()
            if (set !== undefined) {
              release(stream, set.bytes.byteLength)
              return set
            }
            if (stream.failure !== undefined) throw stream.failure
            if (stream.isClosed) return undefined
            await stream.changed.promise
          }
        },
        close,
      }
    },
    close() {
      stop.abort()
      for (const stream of open) {
        stream.isClosed = true
        wake(stream)
      }
    },
  }
}

interface BrokerFetching {
  readonly streams: Set<Stream>
  add(stream: Stream): void
  /** Asks for what may be asked for now. */
  start(): void
}

const trickleWaitMs = (partitions: number): number =>
  Math.min(MAX_TRICKLE_WAIT_MS, Math.max(MIN_TRICKLE_WAIT_MS, Math.round(partitions * TRICKLE_WAIT_MS_A_PARTITION)))

const partitionKey = ({ byId }: FetchAnswer, { lane, partition }: Stream): string =>
  `${byId ? lane.topicId : lane.topic} ${partition}`

function leaderOf(topic: KafkaTopic, partition: number): { readonly node: number; readonly epoch: number } | undefined {
  const found = topic.partitions.find((each) => each.partition === partition)
  return found === undefined || found.leader < 0 ? undefined : { node: found.leader, epoch: found.leaderEpoch }
}
