import { MillpondError } from '../../errors.ts'
import type { Delivery, SinkTarget } from '../../sink/sink.ts'
import type { Cluster } from './cluster.ts'
import type { PartitionChoice } from './sink-partition.ts'
import type { Appended } from './sink-producer.ts'
import { jobName, type LaneProgressAtTarget, type ProgressPlace, progressPlace, readProgress } from './sink-progress.ts'
import type { Consignment, Session, TransactionalProducer, TransactionOptions } from './sink-transaction.ts'
import { createTransactionalProducer } from './sink-transaction.ts'

/** Writes of one job: each is part of a transaction that keeps the position behind it too. */
export interface JobWriter {
  /** Lanes write side by side, each one consignment after the other. */
  write(target: SinkTarget, consignment: Consignment, signal: AbortSignal): Promise<Delivery>
  /** What the cluster says of earlier writes of the lane; transactions that were left open are ended before. */
  progress(target: SinkTarget, signal?: AbortSignal): Promise<LaneProgressAtTarget | undefined>
}

interface Pending {
  readonly lane: Lane
  readonly consignment: Consignment
  readonly signal: AbortSignal
  readonly settled: PromiseWithResolvers<Delivery>
}

interface Slot {
  readonly producer: TransactionalProducer
  pending: Pending[]
  isRunning: boolean
  /** How many lanes were at work lately: so many are waited for, a little. */
  lanesExpected: number
  /** Ends that waiting when all of them are there. */
  arrived: (() => void) | undefined
}

interface Lane {
  readonly target: SinkTarget
  readonly place: ProgressPlace
  readonly slot: Slot
  /** Of which run of the producer `known` is; another one has to ask again. */
  session: Session | undefined
  known: LaneProgressAtTarget | undefined
}

/** While one producer commits, lanes of the other go on producing. Their number is part of what a job leaves behind, so it never changes. */
const PRODUCERS = 2
const GATHER_MS = 5

/**
 * Writes of a job, exactly once. Beginning a transaction, keeping positions and committing cost the brokers more than a batch does, so lanes share
 * transactions: what comes while one is under way goes into the next. All producers of the job (or of its part, where several processes do parts) that
 * came before are fenced before the first position is read.
 */
export function createJobWriter(
  cluster: Cluster,
  { job, part }: { readonly job: string; readonly part: number | undefined },
  { choice, ...options }: Omit<TransactionOptions, 'purpose'> & { readonly choice: PartitionChoice },
): JobWriter {
  // A part has a producer of its own: who takes it over fences the worker before, and nobody else.
  const producers = part === undefined ? Array.from({ length: PRODUCERS }, (_, i) => String(i)) : [`part-${part}`]
  const slots = producers.map((name, i): Slot => {
    const purpose = { name: `job ${(part ?? i) % PRODUCERS}` }
    const producer = createTransactionalProducer(cluster, `${jobName(job)}-${name}`, { ...options, purpose })
    return { producer, pending: [], isRunning: false, lanesExpected: 1, arrived: undefined }
  })
  const lanes = new Map<string, Lane>()
  let fencing: Promise<unknown> | undefined

  const laneOf = (target: SinkTarget): Lane => {
    const place = progressPlace(target, choice)
    const key = JSON.stringify(place)
    const there = lanes.get(key)
    if (there !== undefined) return there
    const lane = { target, place, slot: slots[lanes.size % slots.length]!, session: undefined, known: undefined }
    lanes.set(key, lane)
    return lane
  }
  const ready = async (lane: Lane, signal?: AbortSignal): Promise<void> => {
    if (fencing === undefined) {
      const begun = Promise.all(slots.map(({ producer }) => producer.open(signal)))
      fencing = begun
      begun.catch(() => (fencing = undefined))
    }
    await fencing
    const session = await lane.slot.producer.open(signal)
    if (lane.session === session) return
    lane.known = await readProgress(cluster, lane.place, signal)
    lane.session = session
  }
  return {
    async progress(target, signal) {
      const lane = laneOf(target)
      await ready(lane, signal)
      return lane.known
    },
    async write(target, consignment, signal) {
      const lane = laneOf(target)
      await ready(lane, signal)
      const { position } = lane.known ?? { position: 0 }
      if (consignment.firstPosition < position) {
        const message = `job ${job}: position ${consignment.firstPosition} was delivered before; it goes on at ${position}`
        throw new MillpondError('JOB_CONFLICT', message, { details: { job, position } })
      }
      const pending = { lane, consignment, signal, settled: Promise.withResolvers<Delivery>() }
      const { slot } = lane
      slot.pending.push(pending)
      if (slot.pending.length >= slot.lanesExpected) slot.arrived?.()
      if (!slot.isRunning) void run(slot)
      return pending.settled.promise
    },
  }
}

/** Transactions of a slot, one after the other, until nothing waits any more. */
async function run(slot: Slot): Promise<void> {
  slot.isRunning = true
  while (slot.pending.length > 0) {
    if (slot.pending.length < slot.lanesExpected) await gather(slot)
    const round = slot.pending
    slot.pending = []
    slot.lanesExpected = round.length
    await transact(slot, round)
    // Who came meanwhile goes on with those whose round has just ended.
    slot.lanesExpected += slot.pending.length
  }
  slot.isRunning = false
}

/** Waits until as many lanes are there as were lately, but not for long: one may be at its end, or slow. */
async function gather(slot: Slot): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  slot.arrived = resolve
  const timer = setTimeout(resolve, GATHER_MS)
  await promise
  clearTimeout(timer)
  slot.arrived = undefined
}

async function transact({ producer }: Slot, taken: readonly Pending[]): Promise<void> {
  const session = taken.at(-1)?.lane.session
  if (session === undefined) return
  const round = taken.filter(({ lane }) => lane.session === session)
  for (const { lane, settled } of taken) {
    // What it knew of its position is of a run that has ended.
    if (lane.session !== session) settled.reject(new MillpondError('DELIVERY_FAILED', 'the transaction before this one failed'))
  }
  try {
    const progresses: LaneProgressAtTarget[] = []
    const writes = round.map(({ lane, consignment }, i) => ({
      consignment,
      group: lane.place.group,
      progressOf(appended: readonly Appended[]) {
        const progress = { position: consignment.nextPosition, end: endOf(consignment, appended, lane.known) }
        progresses[i] = progress
        return { place: lane.place, target: lane.target, progress }
      },
    }))
    const signal = round.length === 1 ? round[0]!.signal : AbortSignal.any(round.map((pending) => pending.signal))
    const deliveries = await producer.transact(session, writes, signal)
    for (const [i, { lane, settled }] of round.entries()) {
      lane.known = progresses[i]
      settled.resolve(deliveries[i]!)
    }
  } catch (error) {
    for (const { settled } of round) settled.reject(error)
  }
}

/** Where the last message lies, where all go to one partition; as before where none was delivered. */
function endOf(
  { shares }: Consignment,
  appended: readonly Appended[],
  before: LaneProgressAtTarget | undefined,
): LaneProgressAtTarget['end'] {
  const [share] = shares
  if (shares.length > 1) return undefined
  if (share === undefined || appended[0]?.delivered === 0) return before?.end
  const offset = appended[0]?.nextOffset
  return offset === undefined ? undefined : { partition: share.partition, offset }
}
