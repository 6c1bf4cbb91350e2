import { setTimeout as after } from 'node:timers/promises'
import { openKafkaSink } from '../../src/adapters/kafka/sink.ts'
import { createMessageGenerator } from '../../src/cli/bench/messages.ts'

const TICK_MS = 10
/** Past so many batches under way sending waits, and the rate that is reached falls. */
const UNDER_WAY = 1000

export interface FeedOptions {
  readonly bootstrap: string
  readonly topic: string
  readonly partitions: number
  /** Of all partitions together. */
  readonly messagesPerSecond: number
  /** Of one record batch; each partition gets its batches at even distances. */
  readonly batchCount: number
}

/** Messages that go into a topic at a steady rate, from this process, until it is stopped; disposing leaves open what became of the last ones. */
export interface Feed extends AsyncDisposable {
  readonly sent: () => number
  /** From its start until now, or until it was stopped. */
  readonly messagesPerSecond: () => number
  /** Age, in ms, of the oldest message that was sent into a partition from that offset on; 0 where none was. */
  readonly ageMs: (partition: number, offset: number) => number
  /** Ends when all that was sent is acknowledged. @throws Error of a write that failed. */
  readonly stop: () => Promise<void>
}

/** Starts a feed, when each partition has taken its first batch: a broker makes files for it, which takes long. */
export async function startFeed({ bootstrap, topic, partitions, ...steady }: FeedOptions): Promise<Feed> {
  const { messagesPerSecond, batchCount } = steady
  const sink = await openKafkaSink({ brokers: bootstrap.split(','), codec: 'lz4' })
  const generator = createMessageGenerator({ ids: false, messagesPerMs: messagesPerSecond / 1000 })
  // When the batch of each turn was sent; partitions take turns.
  const sentMs: number[] = []
  const writing = new Set<Promise<unknown>>()
  const stopping = new AbortController()
  const never = new AbortController().signal
  let stoppedMs: number | undefined

  const send = (): void => {
    const turn = sentMs.push(performance.now()) - 1
    const batch = generator.batch(turn * batchCount, batchCount)
    const write: Promise<unknown> = sink
      .write({ topic, origin: { topic, lane: String(turn % partitions) } }, batch, never)
      .finally(() => writing.delete(write))
    // It is awaited, at the latest, when the feed is stopped.
    write.catch((error: unknown) => stopping.abort(error))
    writing.add(write)
  }
  for (let partition = 0; partition < partitions; partition++) send()
  await Promise.all(writing)
  const startMs = performance.now()
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const due = ((performance.now() - startMs) / 1000) * (messagesPerSecond / batchCount) + partitions
      while (sentMs.length < due && writing.size < UNDER_WAY) send()
      await after(TICK_MS)
    }
  }
  const running = run()
  const sent = () => sentMs.length * batchCount
  return {
    sent,
    messagesPerSecond: () =>
      Math.round(((sent() - partitions * batchCount) / ((stoppedMs ?? performance.now()) - startMs)) * 1000),
    ageMs(partition, offset) {
      const oldestMs = sentMs[Math.floor(offset / batchCount) * partitions + partition]
      return oldestMs === undefined ? 0 : performance.now() - oldestMs
    },
    async stop() {
      const failure: unknown = stopping.signal.reason
      stopping.abort()
      await running
      stoppedMs = performance.now()
      await Promise.all(writing)
      await sink[Symbol.asyncDispose]()
      if (failure !== undefined) throw failure
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await sink[Symbol.asyncDispose]()
    },
  }
}
