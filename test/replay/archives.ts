import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { joinBatches } from '../../src/batch/join.ts'
import type { Message } from '../../src/batch/view.ts'
import { messagesOf } from '../../src/batch/view.ts'
import type { Format, StoredMessages } from '../../src/encode/block.ts'
import { decodeStored } from '../../src/encode/formats.ts'
import { followChains } from '../../src/index/follow.ts'
import type { SegmentIndex } from '../../src/index/segment-index.ts'
import type { ReplayJob } from '../../src/replay/job.ts'
import type { JobStore } from '../../src/replay/jobs.ts'
import type { ReplayOrder } from '../../src/replay/plan.ts'
import { planReplay } from '../../src/replay/plan.ts'
import { deliveryBroken } from '../../src/sink/partial.ts'
import type { Delivery, FailedMessage, Sink, SinkTarget } from '../../src/sink/sink.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'
import { cut, writeLane } from '../search/archives.ts'

/** A lane to be archived. */
export interface LaneContent extends LaneId {
  readonly messages: readonly MessageInput[]
}

/** Messages of ten bytes and more, a key every seventh again. */
export const messagesFrom = (from: number, count: number): MessageInput[] =>
  Array.from({ length: count }, (_, i) => ({
    position: from + i,
    timestamp: 1_000_000 + from + i,
    key: `key ${(from + i) % 7}`,
    value: `value ${from + i}`,
    headers: [{ name: 'own', value: String(i) }],
  }))

export const laneOf = (topic: string, lane: string, count: number, from = 0): LaneContent => ({
  topic,
  topicId: topic,
  lane,
  messages: messagesFrom(from, count),
})

/** Blocks of `blockCount` messages, 10 unless said otherwise, in segments of `segmentBlocks`, 3, in `avro`. */
export interface Cutting {
  readonly blockCount?: number
  readonly segmentBlocks?: number
  readonly format?: Format
}

/** Archives the lanes, cut into blocks and segments. */
export async function archiveLanes(
  store: Store,
  index: SegmentIndex,
  lanes: readonly LaneContent[],
  { blockCount = 10, segmentBlocks = 3, format = 'avro' }: Cutting = {},
): Promise<void> {
  for (const { messages, ...lane } of lanes) {
    const commits = cut(messages, blockCount, segmentBlocks, 2).map((segments) => ({
      segments,
      lookups: ['key' as const],
      format,
    }))
    await writeLane(store, lane, messages[0]?.position ?? 0, messages.length === 0 ? [] : commits)
  }
  await followChains(store, index)
}

/** An archive in memory, with a job store. */
export interface Scene extends AsyncDisposable {
  readonly archive: { readonly store: Store; readonly index: SegmentIndex }
  readonly jobs: JobStore
  /** Plans a job and stores it. */
  plan(order: ReplayOrder, id?: string): Promise<ReplayJob>
}

export async function openScene(lanes: readonly LaneContent[], cutting: Cutting = {}): Promise<Scene> {
  const store = createMemoryStore()
  const index = await openSqliteIndex({ path: ':memory:' })
  const jobs = await openSqliteJobs({ path: ':memory:' })
  await archiveLanes(store, index, lanes, cutting)
  return {
    archive: { store, index },
    jobs,
    async plan(order, id = 'job-1') {
      await jobs.create(await planReplay(order, { index, id, nowMs: 1 }))
      return (await jobs.get(id, 1))!
    },
    async [Symbol.asyncDispose]() {
      await index[Symbol.asyncDispose]()
      await jobs[Symbol.asyncDispose]()
    },
  }
}

/** A sink that keeps messages in memory, and meets the faults that a test asks for. */
export interface MemorySink extends Sink {
  readonly writes: { readonly target: SinkTarget; readonly messages: readonly Message[] }[]
  /** Asked before each write: how many messages get through before the target goes away; all where undefined. */
  fault: ((target: SinkTarget, first: number) => number | Promise<number | undefined> | undefined) | undefined
  /** Asked for each message: why it is refused. */
  refuse: ((position: number) => string | undefined) | undefined
  /** Positions by lane, in the order in which they came. */
  positions(topic: string, lane: string): number[]
}

export function createMemorySink(): MemorySink {
  const sink: MemorySink = {
    name: 'memory',
    writes: [],
    fault: undefined,
    refuse: undefined,
    positions: (topic, lane) =>
      sink.writes
        .filter(({ target: { origin } }) => origin.topic === topic && origin.lane === lane)
        .flatMap(({ messages }) => messages.map(({ position }) => position)),
    async write(target, batch) {
      const all = [...messagesOf(batch)]
      const taken = await sink.fault?.(target, all[0]!.position)
      const tried = all.slice(0, taken ?? all.length)
      const failed = tried.flatMap(({ position }): FailedMessage[] => {
        const reason = sink.refuse?.(position)
        return reason === undefined ? [] : [{ position, reason }]
      })
      const messages = tried.filter(({ position }) => !failed.some((one) => one.position === position))
      if (messages.length > 0) sink.writes.push({ target, messages })
      const delivered = messages.length
      if (tried.length === all.length) return { delivered, failed }
      throw deliveryBroken('the target is away', { nextPosition: all[tried.length]!.position, delivered, failed })
    },
    async [Symbol.asyncDispose]() {},
  }
  return sink
}

/** A sink in memory that also takes messages as blocks hold them. */
export interface RecordSink extends MemorySink {
  readonly stored: StoredMessages[]
  writeStored: (target: SinkTarget, stored: readonly StoredMessages[], signal: AbortSignal) => Promise<Delivery>
}

export function createRecordSink(): RecordSink {
  const sink: RecordSink = Object.assign(createMemorySink(), {
    stored: [],
    async writeStored(target: SinkTarget, stored: readonly StoredMessages[], signal: AbortSignal) {
      sink.stored.push(...stored)
      return sink.write(target, joinBatches(await Promise.all(stored.map(decodeStored))), signal)
    },
  })
  return sink
}
