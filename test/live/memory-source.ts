import { type MessageBatch, sliceBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { RecordSet } from '../../src/encode/block.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Lane, LaneId } from '../../src/source/lane.ts'
import type { Passed, Source } from '../../src/source/source.ts'
import { type BatchContent, recordSetOf } from '../encode/record-sets.ts'

/** A broker in memory that gives batches, with what real ones do to a reader: gaps, expiry, lanes that are taken away. */
export interface MemorySource extends Source {
  /** Appends messages to a lane, which is made where it is new. */
  produce(lane: string, messages: readonly MessageInput[]): void
  /** Ends the lane in positions up to `passedTo` that hold no message; the lane is made where it is new. */
  pass(lane: string, passedTo: number): void
  /** The position that the lane's last reader has come to. */
  given(lane: string): number
  /** Removes what lies below `oldest`; who wants to read there is told. */
  expire(lane: string, oldest: number): void
  /** Takes the lane away from its reader, and gives it again. */
  reassign(lane: string): void
  readonly acknowledged: ReadonlyMap<string, number>
}

/** Batches of messages that one record set has. */
const BATCHES_OF_A_SET = 3

const lastOf = ({ positions, count }: MessageBatch): number => positions[count - 1]!

interface MemoryLane {
  readonly id: LaneId
  readonly batches: MessageBatch[]
  oldest: number
  next: number
  given: number
  revocation: AbortController
}

/** A source of a topic; with `recordCodecs` it also gives record batches, in these codecs by turns, and others between them that are not to be seen. */
export function createMemorySource(topic: string, topicId = topic, recordCodecs: readonly RecordCodec[] = []): MemorySource {
  const lanes = new Map<string, MemoryLane>()
  const assigned: string[] = []
  const acknowledged = new Map<string, number>()
  let change = Promise.withResolvers<void>()
  const changed = () => {
    change.resolve()
    change = Promise.withResolvers<void>()
  }
  const laneOf = (name: string): MemoryLane => {
    const known = lanes.get(name)
    if (known) return known
    const made = {
      id: { topic, topicId, lane: name },
      batches: [],
      oldest: 0,
      next: 0,
      given: 0,
      revocation: new AbortController(),
    }
    lanes.set(name, made)
    assigned.push(name)
    return made
  }
  const stopped = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })

  /** Waits at the lane's end, and tells what else there is to tell; undefined where there are messages from `next` on. */
  const passOrWait = async (from: MemoryLane, next: number, signal: AbortSignal): Promise<Passed | 'waited' | undefined> => {
    if (next < from.oldest) throw new MillpondError('POSITION_GONE', `${next} is gone`, { details: { oldest: from.oldest } })
    from.given = next
    if (from.batches.some((batch) => lastOf(batch) >= next)) return undefined
    if (next < from.next) return { passedTo: from.next }
    await Promise.race([change.promise, stopped(signal)])
    return 'waited'
  }
  async function* readRecordSets(lane: Lane, position: number, signal: AbortSignal): AsyncGenerator<RecordSet | Passed> {
    const from = lanes.get(lane.lane)!
    let next = position
    while (!signal.aborted) {
      const passed = await passOrWait(from, next, signal)
      if (passed === undefined) {
        const first = from.batches.findIndex((batch) => lastOf(batch) >= next)
        const batches = from.batches.slice(first, first + BATCHES_OF_A_SET)
        next = lastOf(batches.at(-1)!) + 1
        const contents = batches.flatMap((batch, i): BatchContent[] => {
          const codec = recordCodecs[(first + i) % recordCodecs.length]!
          return [
            { batch, codec },
            { batch, codec: 'none', isHidden: true },
          ]
        })
        yield await recordSetOf(contents)
      } else if (passed !== 'waited') {
        next = passed.passedTo
        yield passed
      }
    }
  }

  return {
    acknowledged,
    produce(name, messages) {
      const lane = laneOf(name)
      const batch = batchOf(messages)
      lane.batches.push(batch)
      lane.next = lastOf(batch) + 1
      changed()
    },
    pass(name, passedTo) {
      const lane = laneOf(name)
      lane.next = Math.max(lane.next, passedTo)
      changed()
    },
    given: (name) => laneOf(name).given,
    expire(name, oldest) {
      laneOf(name).oldest = oldest
      changed()
    },
    reassign(name) {
      const lane = laneOf(name)
      lane.revocation.abort()
      lane.revocation = new AbortController()
      assigned.push(name)
      changed()
    },
    async *lanes(signal) {
      while (!signal.aborted) {
        const name = assigned.shift()
        if (name === undefined) {
          await Promise.race([change.promise, stopped(signal)])
          continue
        }
        const lane = lanes.get(name)!
        yield { ...lane.id, startPosition: 0, revoked: lane.revocation.signal } satisfies Lane
      }
    },
    async *read(lane, position, signal) {
      const from = lanes.get(lane.lane)!
      let next = position
      while (!signal.aborted) {
        const passed = await passOrWait(from, next, signal)
        if (passed === 'waited') continue
        if (passed !== undefined) {
          next = passed.passedTo
          yield passed
          continue
        }
        const batch = from.batches.find((one) => lastOf(one) >= next)!
        const rest = sliceBatch(
          batch,
          batch.positions.findIndex((p) => p >= next),
          batch.count,
        )
        next = lastOf(rest) + 1
        yield rest
      }
    },
    ...(recordCodecs.length === 0 ? {} : { readRecordSets }),
    async range(lane) {
      const known = lanes.get(lane.lane)
      return known ? { oldest: known.oldest, next: known.next } : undefined
    },
    async acknowledge(lane, nextPosition) {
      acknowledged.set(lane.lane, nextPosition)
    },
    async [Symbol.asyncDispose]() {},
  }
}
