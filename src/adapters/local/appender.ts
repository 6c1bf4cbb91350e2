import { type MessageBatch, payloadBytes } from '../../batch/batch.ts'
import type { AppendUnit, NewTopic, ProducerStep } from './operations.ts'
import { type Appended, checkedBatch, encodeRows, type PartitionPlan, route, type RowOptions } from './plan.ts'
import { type KnownTopic, laneUnknown, type Reader, topicUnknown } from './reader.ts'
import type { BlockRow } from './rows.ts'
import { checkTopicName } from './topic.ts'
import type { Writer } from './writer.ts'

/** How far a replay got in what it reads. */
export interface Producer {
  readonly job: string
  /** Names the lane that the replay reads. */
  readonly origin: string
  /** The first position of the origin that the append delivers, and the one after its last. */
  readonly firstOriginPosition: number
  readonly nextOriginPosition: number
}

export interface AppendOptions {
  /** The timestamp of messages that bring none (NaN), ms. */
  readonly timestampDefaultMs?: number
  /** Fills `rows` of the answer. */
  readonly rowPositions?: boolean
  /** The lane of each message, by number; -1 leaves it to its key. */
  readonly laneOf?: Int32Array
  /** Stored in one transaction with the messages. */
  readonly producer?: Producer
}

export interface AppenderOptions extends RowOptions {
  /** What a topic is like that its first message makes; undefined where topics must be there. */
  readonly newTopic: Omit<NewTopic, 'name' | 'createdMs' | 'unlessThere'> | undefined
  readonly nowMs: () => number
  /** Called when messages have become durable. */
  readonly onDurable: () => void
}

/** Brings messages into the log. */
export interface Appender {
  /** Bytes of messages that are not durable yet. */
  readonly waitingBytes: number
  append(topic: string, batch: MessageBatch, options?: AppendOptions): Promise<Appended>
  /** Resolves when nothing waits any more. */
  drain(): Promise<void>
}

/** One call of `append` on its way. */
interface Pending {
  readonly topic: string
  readonly batch: MessageBatch
  readonly options: AppendOptions
  readonly bytes: number
  /** Which partition, modulo their number, takes what has no key. */
  readonly turn: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

/** Calls that become durable together, in one transaction. */
interface Unit {
  readonly epoch: number
  readonly pending: readonly Pending[]
  readonly bytes: number
  readonly appended: readonly Appended[]
  readonly request: Promise<{ readonly given: AppendUnit; readonly transfer: readonly ArrayBuffer[] }>
}

const UNIT_BYTES = 8 * 1024 * 1024
/**
 * Behind a unit that is on its way, calls gather until they have so many bytes or it is durable: each unit costs rows, a transaction
 * and a sync, and what is large enough to be a block of the archive is not encoded twice.
 */
const GATHERED_BYTES = 1024 * 1024
/** Units on their way: one being written, one waiting, one being compressed. */
const MAX_UNITS = 3
/** How long the write lock is taken before positions are given, after another process was first, ms. */
const CONTENDED_MS = 250

/**
 * An appender over the log's reader and writer. Positions stand inside of what is encoded, so they are given before the write:
 * each process assumes that a partition ends where it last saw its end, encodes ahead, and the transaction refuses what another
 * process made untrue. What was refused goes back to the head of the queue, in its order.
 */
export function createAppender(reader: Reader, writer: Writer, options: AppenderOptions): Appender {
  const topics = new Map<string, KnownTopic>()
  const ends = new Map<number, number>()
  const queue: Pending[] = []
  const units = new Set<Unit>()
  const moved: Pending[] = []
  let epoch = 0
  let waitingBytes = 0
  /** Those of them that units hold. */
  let unitBytes = 0
  let waitingCount = 0
  let turn = 0
  let isPumpDue = false
  let contendedUntilMs = -Infinity
  let isStalled = false
  let sending: Promise<unknown> = Promise.resolve()
  let idle = Promise.withResolvers<void>()

  const topicOf = (name: string): KnownTopic | undefined => {
    const known = topics.get(name) ?? reader.topic(name)
    if (known) topics.set(name, known)
    return known
  }
  /** From here on nothing is assumed; units of the epochs before must come back before another is planned. */
  const forget = () => {
    epoch += 1
    ends.clear()
    topics.clear()
  }
  const settle = (pending: readonly Pending[], act: (one: Pending, index: number) => void) => {
    for (const [i, one] of pending.entries()) {
      waitingBytes -= one.bytes
      waitingCount -= 1
      act(one, i)
    }
    if (waitingCount === 0) idle.resolve()
  }
  const fail = (pending: readonly Pending[], error: unknown) => settle(pending, ({ reject }) => reject(error))
  const succeed = ({ pending, appended }: Unit) => {
    options.onDurable()
    settle(pending, ({ resolve }, i) => resolve(appended[i]!))
  }

  /** The first calls of the queue that go together. One with a producer goes alone, for it may be refused alone. */
  const takeFromQueue = (): Pending[] => {
    let bytes = 0
    let count = 0
    for (const one of queue) {
      if (count > 0 && (bytes + one.bytes > UNIT_BYTES || one.options.producer || queue[0]!.options.producer)) break
      const topic = topicOf(one.topic)
      if (topic === undefined || strayLane(one, topic) !== undefined) break
      bytes += one.bytes
      count += 1
    }
    return queue.splice(0, count)
  }
  const plan = (pending: readonly Pending[]): Unit => {
    const plans = new Map<number, PartitionPlan>()
    const planOf = (partitionKey: number) => {
      const known = plans.get(partitionKey)
      if (known) return known
      const nextPosition = ends.get(partitionKey) ?? reader.range(partitionKey)?.next ?? 0
      const made: PartitionPlan = { batches: [], nextPosition }
      plans.set(partitionKey, made)
      return made
    }
    const appended = pending.map(({ topic, batch, options: { rowPositions = false, laneOf }, turn }) => {
      const { partitions, partitionKeys } = topicOf(topic)!
      const planOfLane = (lane: number) => planOf(partitionKeys[lane]!)
      return route({ batch, partitions, keylessLane: turn % partitions, laneOf, rowPositions, planOf: planOfLane })
    })
    for (const [partitionKey, { nextPosition }] of plans) ends.set(partitionKey, nextPosition)
    const request = encode(plans, { epoch, producer: stepOf(pending[0]!, topicOf(pending[0]!.topic)!) }, options)
    // Looked at when its turn to be sent comes; until then a failure must not count as unhandled.
    request.catch(() => undefined)
    return { epoch, pending, bytes: pending.reduce((sum, { bytes }) => sum + bytes, 0), appended, request }
  }

  /** Units are sent in the order in which they got their positions, each without waiting for the ones before to be durable. */
  const start = (unit: Unit) => {
    units.add(unit)
    unitBytes += unit.bytes
    sending = sending.then(async () => {
      try {
        const { given, transfer } = await unit.request
        void conclude(unit, writer.run('append', given, transfer))
      } catch (error) {
        void conclude(unit, Promise.reject(error))
      }
    })
  }
  const conclude = async (unit: Unit, outcome: Promise<'done' | 'moved'>) => {
    try {
      if ((await outcome) === 'done') {
        succeed(unit)
      } else {
        contendedUntilMs = options.nowMs() + CONTENDED_MS
        moved.push(...unit.pending)
        if (unit.epoch === epoch) forget()
      }
    } catch (error) {
      fail(unit.pending, error)
      if (unit.epoch === epoch) forget()
    }
    units.delete(unit)
    unitBytes -= unit.bytes
    pump()
  }

  /** Takes the write lock before positions are given: slower, for nothing is encoded ahead, but nobody else can be first. */
  const writeLocked = async () => {
    isStalled = true
    let unit: Unit | undefined
    const prepare = async () => {
      forget()
      const pending = takeFromQueue()
      if (pending.length === 0) return undefined
      unit = plan(pending)
      return unit.request
    }
    try {
      const outcome = await writer.runLocked('append', prepare)
      if (unit && outcome === 'done') succeed(unit)
      else if (unit) queue.unshift(...unit.pending)
    } catch (error) {
      fail(unit?.pending ?? queue.splice(0, 1), error)
    }
    forget()
    isStalled = false
    pump()
  }

  const makeTopic = async (name: string) => {
    isStalled = true
    try {
      if (options.newTopic === undefined) throw topicUnknown(name)
      await writer.run('createTopic', { ...options.newTopic, name, createdMs: options.nowMs(), unlessThere: true })
    } catch (error) {
      fail(queue.splice(0, 1), error)
    }
    isStalled = false
    pump()
  }

  /** Starts one thing that can be started now; false where there is none. */
  const startNext = (): boolean => {
    for (const unit of units) if (unit.epoch !== epoch) return false
    queue.unshift(...moved.splice(0))
    if (isStalled || queue.length === 0 || units.size >= MAX_UNITS) return false
    const gathers = queue[0]!.options.producer === undefined && waitingBytes - unitBytes < GATHERED_BYTES
    if (units.size > 0 && gathers) return false
    const isContended = options.nowMs() < contendedUntilMs
    if (isContended && units.size > 0) return false
    try {
      const topic = topicOf(queue[0]!.topic)
      const stray = topic && strayLane(queue[0]!, topic)
      if (topic === undefined) void makeTopic(queue[0]!.topic)
      else if (stray !== undefined) fail(queue.splice(0, 1), laneUnknown(topic.name, stray))
      else if (isContended) void writeLocked()
      else start(plan(takeFromQueue()))
    } catch (error) {
      fail(queue.splice(0, 1), error)
    }
    return true
  }
  const pump = () => {
    isPumpDue = false
    while (startNext());
  }
  /** Not at once: what comes in the same turn of the event loop, from whatever socket, goes together. */
  const pumpSoon = () => {
    if (isPumpDue) return
    isPumpDue = true
    setImmediate(pump)
  }

  return {
    get waitingBytes() {
      return waitingBytes
    },
    async append(topic, batch, appendOptions = {}) {
      checkTopicName(topic)
      if (batch.count === 0) return { lanes: [] }
      const checked = checkedBatch(batch, appendOptions.timestampDefaultMs)
      const { promise, resolve, reject } = Promise.withResolvers<Appended>()
      const bytes = payloadBytes(batch)
      queue.push({ topic, batch: checked, options: appendOptions, bytes, turn: turn++, resolve, reject })
      waitingBytes += bytes
      waitingCount += 1
      if (waitingCount === 1) idle = Promise.withResolvers<void>()
      pumpSoon()
      return promise
    },
    async drain() {
      if (waitingCount > 0) await idle.promise
    },
  }
}

/** A lane that a message is to go to and the topic does not have; undefined where there is none. */
const strayLane = ({ options: { laneOf } }: Pending, { partitions }: KnownTopic): number | undefined =>
  laneOf?.find((lane) => lane >= partitions)

async function encode(
  plans: ReadonlyMap<number, PartitionPlan>,
  { epoch, producer }: { readonly epoch: number; readonly producer: ProducerStep | undefined },
  options: AppenderOptions,
): Promise<{ given: AppendUnit; transfer: ArrayBuffer[] }> {
  const encoded = await Promise.all([...plans].map(([partitionKey, plan]) => encodeRows(partitionKey, plan, options)))
  const rows = encoded.flat().map((row): BlockRow => ({ ...row, bytes: owned(row.bytes), filters: owned(row.filters) }))
  const transfer = rows.flatMap(({ bytes, filters }) => [bytes.buffer as ArrayBuffer, filters.buffer as ArrayBuffer])
  return { given: { epoch, appendedMs: options.nowMs(), rows, producer }, transfer }
}

/** Bytes whose buffer nobody else looks at, so that it can go to another thread. */
const owned = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength > 0 && bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)

function stepOf({ options: { producer } }: Pending, { topicKey }: KnownTopic): ProducerStep | undefined {
  if (producer === undefined) return undefined
  const { job, origin, firstOriginPosition, nextOriginPosition } = producer
  return { job, origin, topicKey, firstPosition: firstOriginPosition, nextPosition: nextOriginPosition }
}
