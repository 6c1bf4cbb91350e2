import { existsSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { MessageBatch } from '../batch/batch.ts'
import type { Config } from '../config/config.ts'
import { followChains } from '../index/follow.ts'
import { createArchivedValues } from '../schemas/archived-values.ts'
import { byPosition } from '../search/match.ts'
import type { MessageQuery } from '../search/query.ts'
import { readLane } from '../search/read.ts'
import { selectBatch } from '../search/select-batch.ts'
import { createSelection } from '../search/selection.ts'
import type { LaneId } from '../source/lane.ts'
import { isPassed, positionBehind, type Source } from '../source/source.ts'
import type { DecodedValues } from '../values/decoded.ts'
import { openRegistry } from '../wiring/registry.ts'
import { openStore } from '../wiring/store.ts'
import { openArchive, openBrokerIfThere, requireArchivedTopic, requireTopic } from './open.ts'

/** A lane, and what it holds now: positions from `oldest` to before `next`. */
export interface LaneEnds {
  readonly lane: LaneId
  readonly oldest: number
  readonly next: number
}

/** Positions of a lane from one to before another. */
export interface Stretch {
  readonly lane: LaneId
  readonly from: number
  readonly to: number
}

/** Where a topic is read: the broker or the archive. */
export interface TailPlace extends AsyncDisposable {
  readonly lanes: readonly LaneEnds[]
  readonly values: DecodedValues
  /**
   * What the query means of a stretch, in order; waits for what is still to come of it.
   * @throws MillpondError `POSITION_GONE` where the broker has removed its beginning; the details name the `oldest` position that it has.
   */
  read(stretch: Stretch): AsyncIterable<MessageBatch>
  /** Lanes that are not among these yet, as they come; only where that is more than a matter of the broker's settings. */
  laterLanes?(): AsyncIterable<LaneEnds>
}

/** What is read. */
export interface TailOrder {
  readonly config: Config
  readonly topic: string
  /** What is meant of the topic. */
  readonly query: MessageQuery
  readonly signal: AbortSignal
}

const LOOK_MS = 1000

/** The topic as the broker has it; in no consumer group. */
export async function openBrokerTail({ config, topic, query, signal }: TailOrder): Promise<TailPlace> {
  await using opened = new AsyncDisposableStack()
  const broker = opened.use(await openBrokerIfThere(config))
  const topics = (await broker?.topics()) ?? []
  requireTopic(
    topic,
    topics.map(({ name }) => name),
    broker?.place ?? 'the log',
  )
  const source = opened.use(await broker!.openSource())
  const found = topics.find(({ name }) => name === topic)!
  const idOf = (lane: number): LaneId => ({ topic, topicId: found.topicId, lane: String(lane) })
  const lanes = (await broker!.ranges(found)).map((range, lane) => ({ lane: idOf(lane), ...range }))
  const selection = createSelection(query)
  const kept = opened.move()
  const values = valuesWhenAsked(config, kept)
  return {
    lanes,
    values,
    async *read(stretch) {
      const meant = selection.of(stretch.lane)
      if (meant === undefined) return
      for await (const batch of readSource(source, stretch, signal)) {
        const matched = await selectBatch(meant, batch, (part) => values.open(part, topic, signal), signal)
        if (matched !== undefined) yield matched
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Messages of the broker within the stretch. */
async function* readSource(source: Source, { lane, from, to }: Stretch, signal: AbortSignal): AsyncGenerator<MessageBatch> {
  const done = new AbortController()
  const ending = AbortSignal.any([signal, done.signal])
  const never = new AbortController().signal
  try {
    for await (const given of source.read({ ...lane, startPosition: from, revoked: never }, from, ending)) {
      if (!isPassed(given)) {
        const wanted = byPosition(given, { from, to })
        if (wanted.count > 0) yield wanted
      }
      if (positionBehind(given) >= to) return
    }
  } finally {
    done.abort()
  }
}

/** Values of the broker's messages: by the schemas that the archive keeps, and by the registry. Neither is opened before a value is to be read. */
function valuesWhenAsked(config: Config, opened: AsyncDisposableStack): DecodedValues {
  const make = async (): Promise<DecodedValues> => {
    const registry = await openRegistry(config.registry)
    if (registry !== undefined) opened.use(registry)
    const isThere = config.store.type !== 'file' || existsSync(config.store.path)
    const store = isThere ? opened.use(await openStore(config, 'read')) : undefined
    return createArchivedValues(store, { nowMs: Date.now, registry })
  }
  let made: Promise<DecodedValues> | undefined
  const values = () => (made ??= make())
  return {
    open: async (...asked) => (await values()).open(...asked),
    decode: async (...asked) => (await values()).decode(...asked),
  }
}

/** The topic as the archive has it; the index is brought up to date again and again while more is waited for. */
export async function openArchiveTail({ config, topic, query, signal }: TailOrder): Promise<TailPlace> {
  await using opened = new AsyncDisposableStack()
  const archive = opened.use(await openArchive(config, { follow: true, topic, signal }))
  await requireArchivedTopic(archive, topic)
  const { store, index } = archive
  const lanesNow = async () =>
    (await index.lanes(topic)).map((lane) => ({ lane, oldest: lane.firstPosition, next: lane.nextPosition }))
  const lanes = await lanesNow()
  let looking: Promise<void> | undefined
  /** Waits for a moment, and for what is archived by then; once for all lanes that wait. */
  const look = (): Promise<void> =>
    (looking ??= wait(LOOK_MS, undefined, { signal })
      .then(async () => void (await followChains(store, index, { topic }, signal)))
      .finally(() => (looking = undefined)))
  const kept = opened.move()
  return {
    lanes,
    values: archive.values,
    async *read({ lane, from, to }) {
      for (let next = from; next < to;) {
        const known = (await index.lane(lane))?.nextPosition ?? next
        const end = Math.min(to, known)
        // What was looked through is not read again, whether anything of it was meant or not.
        if (next >= end) await look()
        else {
          const part = { ...query, positions: within(query, next, end) }
          for await (const { batch } of readLane(archive, lane, part, { signal })) yield batch
          next = end
        }
      }
    },
    async *laterLanes() {
      const seen = new Set(lanes.map(nameOf))
      for (;;) {
        await look()
        for (const ends of await lanesNow()) {
          if (!seen.has(nameOf(ends))) yield ends
          seen.add(nameOf(ends))
        }
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** A topic that was made again has the names of its lanes, and other lanes. */
const nameOf = ({ lane: { topicId, lane } }: LaneEnds): string => JSON.stringify([topicId, lane])

const within = ({ positions: { from = 0, to = Infinity } = {} }: MessageQuery, least: number, end: number) => ({
  from: Math.max(from, least),
  to: Math.min(to, end),
})
