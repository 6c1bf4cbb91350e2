import type { Cluster } from './cluster.ts'
import { kafkaError } from './cluster-errors.ts'
import { type FetchAnswer, type FetchedPartition, type FetchRequest, fetchVersions, isTopicId } from './fetch-api.ts'
import type { SetMemory } from './fetch-memory.ts'
import type { Stream } from './fetch-stream.ts'
import { NO_EPOCH } from './lane-epochs.ts'

/** Requests to one broker, for the streams whose partitions it leads. */
export interface BrokerFetching {
  readonly streams: Set<Stream>
  add(stream: Stream): void
  /** Asks for what may be asked for now. */
  start(): void
}

export interface BrokerFetchingOptions {
  readonly cluster: Cluster
  readonly node: number
  readonly isolation: FetchRequest['isolation']
  readonly memory: SetMemory
  readonly signal: AbortSignal
  /** What a partition may hold and bring, bytes. */
  readonly partitionBytes: () => number
  /** What an answer may bring, bytes. */
  readonly answerBytes: () => number
  /** Readers hold so much, or it waits for them, that only who has nothing that waits is served; `full`: only who holds nothing either. */
  readonly crowding: () => 'none' | 'crowded' | 'full'
  readonly onFetched: (stream: Stream, fetched: FetchedPartition) => void
  readonly onFailed: (stream: Stream, error: unknown) => void
}

/** Requests that a broker has of one client at a time, each on its own connection: while one waits at the broker, others go on. */
const REQUESTS_A_BROKER = 3
/** Where all was quiet the last time, the broker waits this long for a first message. */
const QUIET_WAIT_MS = 500
/** Where messages trickle in, what comes in this time is taken at once; longer where partitions are many, for each costs some work. */
const MIN_TRICKLE_WAIT_MS = 100
const MAX_TRICKLE_WAIT_MS = 500
const TRICKLE_WAIT_MS_A_PARTITION = 0.5
const TRICKLE_BYTES_A_PARTITION = 64 * 1024
const MAX_TRICKLE_BYTES = 4 * 1024 * 1024
/** Where a partition waits for its reader, the next request is not to be long in coming. */
const BUSY_WAIT_MS = 50

/** What is asked for at a time. */
interface Choice {
  readonly chosen: readonly Stream[]
  /** Others of this broker wait for a reader or for the next request. */
  readonly isSomeLeftOut: boolean
}

export function createBrokerFetching(options: BrokerFetchingOptions): BrokerFetching {
  const { cluster, node, isolation, signal, memory, partitionBytes, answerBytes, crowding, onFetched, onFailed } = options
  const versions = fetchVersions(memory.take)
  const streams = new Set<Stream>()
  const running = new Set<number>()

  const choose = (): Choice => {
    const crowded = crowding()
    const limit = crowded === 'none' ? partitionBytes() : 0
    const ready: Stream[] = []
    const partitions = new Set<string>()
    let isSomeLeftOut = false
    for (const stream of [...streams].sort((a, b) => a.served - b.served)) {
      if (stream.isInFlight) continue
      const name = `${stream.lane.topicId} ${stream.partition}`
      const heldBytes = crowded === 'full' ? stream.waitingBytes + stream.givenBytes : stream.waitingBytes
      if (heldBytes > limit || partitions.has(name)) {
        isSomeLeftOut = true
        continue
      }
      partitions.add(name)
      ready.push(stream)
    }
    // Two requests share what is there, so that one is answered while the other's answer is worked on.
    const count = running.size === 0 && ready.length > 1 ? Math.ceil(ready.length / 2) : ready.length
    return { chosen: ready.slice(0, count), isSomeLeftOut }
  }
  const start = () => {
    for (let slot = 0; slot < REQUESTS_A_BROKER && !signal.aborted; slot++) {
      if (running.has(slot)) continue
      const choice = choose()
      if (choice.chosen.length === 0) return
      running.add(slot)
      for (const stream of choice.chosen) stream.isInFlight = true
      void run(slot, choice)
    }
  }
  const run = async (slot: number, choice: Choice) => {
    const { chosen } = choice
    try {
      const answer = await ask(slot, choice)
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, { what: 'Fetch' })
      for (const stream of chosen) stream.isInFlight = false
      handOut(chosen, answer)
    } catch (error) {
      for (const stream of chosen) {
        stream.isInFlight = false
        if (!stream.isClosed && !signal.aborted) onFailed(stream, error)
      }
    } finally {
      running.delete(slot)
      start()
    }
  }
  const ask = (slot: number, { chosen, isSomeLeftOut }: Choice): Promise<FetchAnswer> => {
    const share = partitionBytes()
    const isQuiet = chosen.every((stream) => stream.isQuiet)
    const isTrickle = !isQuiet && chosen.every((stream) => stream.isAtEnd)
    const waitMs = isTrickle ? trickleWaitMs(chosen.length) : QUIET_WAIT_MS
    const request: FetchRequest = {
      maxWaitMs: isSomeLeftOut ? BUSY_WAIT_MS : waitMs,
      minBytes: isTrickle ? Math.min(MAX_TRICKLE_BYTES, chosen.length * TRICKLE_BYTES_A_PARTITION) : 1,
      maxBytes: Math.max(answerBytes(), share),
      isolation,
      // A leader would send a reader of a known place to another replica, which may lag behind.
      rack: '',
      partitions: chosen.map(({ lane, partition, leaderEpoch, offset, lastEpoch, neededBytes }) => ({
        topic: lane.topic,
        topicId: lane.topicId,
        partition,
        leaderEpoch,
        offset,
        lastFetchedEpoch: lastEpoch ?? NO_EPOCH,
        maxBytes: Math.max(share, neededBytes),
      })),
    }
    const isById = chosen.every(({ lane }) => isTopicId(lane.topicId))
    const sending = { once: true, purpose: { name: `fetch ${slot}`, isBulk: true }, signal }
    return cluster.request({ node }, isById ? versions.byId : versions.byName, [request], sending)
  }
  const handOut = (chosen: readonly Stream[], answer: FetchAnswer) => {
    const byName = new Map(chosen.map((stream) => [partitionKey(answer, stream), stream]))
    for (const fetched of answer.partitions) {
      const stream = byName.get(`${fetched.topic} ${fetched.partition}`)
      if (stream !== undefined && !stream.isClosed) onFetched(stream, fetched)
    }
  }
  return {
    streams,
    add(stream) {
      streams.add(stream)
      start()
    },
    start,
  }
}

const trickleWaitMs = (partitions: number): number =>
  Math.min(MAX_TRICKLE_WAIT_MS, Math.max(MIN_TRICKLE_WAIT_MS, Math.round(partitions * TRICKLE_WAIT_MS_A_PARTITION)))

const partitionKey = ({ byId }: FetchAnswer, { lane, partition }: Stream): string =>
  `${byId ? lane.topicId : lane.topic} ${partition}`
