import type { IndexedLane } from '../../index/segment-index.ts'
import type { MessageFilter } from '../../search/filter.ts'
import type { MessageQuery } from '../../search/query.ts'
import { MillpondError } from '../../errors.ts'
import { constantOf, messageFilter } from './message-filter.ts'
import { evaluate, type RowFilter } from './row-filter.ts'
import type { Row } from './rows.ts'
import type { IndexView } from './view.ts'
import { type BlockRows, isMeant, planRows, readRowBlocks } from './walk.ts'

/** Positions of one lane: `from` is in, `to` is not. */
interface Run {
  readonly from: number
  to: number
}

/** Runs that a query names one by one, and the positions that lie in shorter ones. */
const MAX_RUNS = 100
const MAX_POSITIONS = 20_000
const SHORT_RUN = 64
/** Replays that one request may become. */
const MAX_QUERIES = 200

/**
 * The queries of messages that select what the filter selects of rows, one after the other. What messages do not say themselves, such as where they lie, is
 * found out before.
 * @throws MillpondError `INPUT_INVALID` where that is in too many places.
 */
export async function selectRows(
  view: IndexView,
  { filter, lanes }: { readonly filter: RowFilter; readonly lanes: readonly IndexedLane[] },
  signal?: AbortSignal,
): Promise<MessageQuery[]> {
  const queries: MessageQuery[] = []
  for (const topic of new Set(lanes.map((lane) => lane.topic))) {
    const brokerId = view.brokerId(topic)
    if (evaluate(filter, (field) => (field === 'broker_id' ? { value: brokerId } : undefined)) === false) continue
    const asked = messageFilter(filter, { brokerId })
    const ofTopic = lanes.filter((lane) => lane.topic === topic)
    queries.push(...(asked === undefined ? await byPosition(view, { filter, lanes: ofTopic }, signal) : byFilter(topic, asked)))
  }
  return queries
}

function byFilter(topic: string, asked: MessageFilter): MessageQuery[] {
  const constant = constantOf(asked)
  if (constant === false) return []
  const timestamps = timesOf(asked)
  if (timestamps === undefined) return [{ topic, filter: asked }]
  const { from, to } = timestamps
  return [{ topic, timestamps: { ...(from === -Infinity ? {} : { from }), ...(to === Infinity ? {} : { to }) } }]
}

/** The range of times that says all that the filter says; undefined where it says more. */
function timesOf(filter: MessageFilter): { readonly from: number; readonly to: number } | undefined {
  if ('and' in filter) {
    const ranges = filter.and.map(timesOf)
    return ranges.every((range) => range !== undefined)
      ? {
          from: Math.max(-Infinity, ...ranges.map(({ from }) => from)),
          to: Math.min(Infinity, ...ranges.map(({ to }) => to)),
        }
      : undefined
  }
  if (!('field' in filter) || filter.field !== 'timestamp') return undefined
  const { greaterThan, atLeast, lessThan, atMost, equals } = filter.test as Readonly<Record<string, number | undefined>>
  if (equals !== undefined) return { from: equals, to: equals + 1 }
  if ([greaterThan, atLeast, lessThan, atMost].every((bound) => bound === undefined)) return undefined
  // Times are whole numbers.
  return {
    from: Math.max(greaterThan === undefined ? -Infinity : greaterThan + 1, atLeast ?? -Infinity),
    to: Math.min(lessThan ?? Infinity, atMost === undefined ? Infinity : atMost + 1),
  }
}

async function byPosition(
  view: IndexView,
  { filter, lanes }: { readonly filter: RowFilter; readonly lanes: readonly IndexedLane[] },
  signal?: AbortSignal,
): Promise<MessageQuery[]> {
  const parts = lanes.map((lane) => ({ lane, from: lane.firstPosition, to: lane.nextPosition }))
  const blocks = await planRows(view, { filter, parts }, signal)
  const crossing = await crossingSegments(view, blocks)
  const runs = createRuns()
  const toRead: BlockRows[] = []
  for (const block of blocks) {
    if (block.isWhole && !crossing.has(block.facts.segment.key)) {
      runs.add(block.part.lane, block.facts.block.firstPosition, block.facts.block.lastPosition + 1)
    } else toRead.push(block)
  }
  for await (const { rows: block, batch } of readRowBlocks(view, toRead, signal)) {
    for (let at = 0; at < batch.count; at++) {
      if (!isMeant(filter, block, { facts: block.facts, batch, at })) continue
      runs.add(block.part.lane, batch.positions[at]!, batch.positions[at]! + 1)
    }
  }
  return runs.queries()
}

/** Keys of the segments that lie across others: a range of positions says more than what they hold. */
async function crossingSegments(view: IndexView, blocks: readonly BlockRows[]): Promise<ReadonlySet<string>> {
  const crossing = new Set<string>()
  const segments = new Map(blocks.map(({ facts: { segment } }) => [segment.key, segment]))
  for (const { key, lane, firstPosition, lastPosition } of segments.values()) {
    const { topic, topicId } = lane
    const positions = { from: firstPosition, to: lastPosition + 1 }
    for await (const other of view.archive.index.segments({ topic, topicId, lanes: [lane.lane], positions }))
      if (other.key !== key) crossing.add(key)
  }
  return crossing
}

/** The queries that select these rows and nothing else. */
export function selectFound(rows: readonly Row[]): MessageQuery[] {
  const runs = createRuns()
  for (const { facts, batch, at } of rows) runs.add(facts.segment.lane, batch.positions[at]!, batch.positions[at]! + 1)
  return runs.queries()
}

type LaneKey = Pick<IndexedLane, 'topic' | 'topicId' | 'lane'>

/** Gathers positions of lanes, in whatever order they come. */
function createRuns() {
  const lanes = new Map<string, { readonly lane: LaneKey; readonly runs: Run[] }>()
  return {
    add(lane: LaneKey, from: number, to: number): void {
      const name = JSON.stringify([lane.topic, lane.topicId, lane.lane])
      const known = lanes.get(name) ?? { lane, runs: [] }
      lanes.set(name, known)
      const last = known.runs.at(-1)
      if (last !== undefined && last.to === from) last.to = to
      else known.runs.push({ from, to })
    },
    queries(): MessageQuery[] {
      const queries = [...lanes.values()].flatMap(({ lane, runs }) => laneQueries(lane, joinedRuns(runs)))
      if (queries.length <= MAX_QUERIES) return queries
      throw new MillpondError(
        'INPUT_INVALID',
        'the filter selects messages in too many separate places; ask for less by time, or by location_key',
      )
    },
  }
}

function joinedRuns(runs: readonly Run[]): Run[] {
  const joined: Run[] = []
  for (const { from, to } of runs.toSorted((a, b) => a.from - b.from)) {
    const last = joined.at(-1)
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to)
    else joined.push({ from, to })
  }
  return joined
}

function laneQueries({ topic, topicId, lane }: LaneKey, runs: readonly Run[]): MessageQuery[] {
  const queries: MessageQuery[] = []
  for (let at = 0; at < runs.length;) {
    const some: Run[] = []
    let positions = 0
    let ranges = 0
    for (; at < runs.length && positions < MAX_POSITIONS && ranges < MAX_RUNS; at++) {
      const run = runs[at]!
      some.push(run)
      if (run.to - run.from > SHORT_RUN) ranges++
      else positions += run.to - run.from
    }
    const hull = { from: some[0]!.from, to: some.at(-1)!.to }
    const ranged = { topic, topicId, lanes: [lane], positions: hull }
    queries.push(some.length === 1 ? ranged : { ...ranged, filter: runFilter(some) })
  }
  return queries
}

function runFilter(runs: readonly Run[]): MessageFilter {
  const short = runs.filter(({ from, to }) => to - from <= SHORT_RUN)
  const positions = short.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))
  const listed: MessageFilter[] = positions.length === 0 ? [] : [{ field: 'position', test: { in: positions } }]
  const ranges = runs
    .filter((run) => !short.includes(run))
    .map(({ from, to }): MessageFilter => ({ field: 'position', test: { atLeast: from, lessThan: to } }))
  return { or: [...listed, ...ranges] }
}
