import { selectRows as selectBatchRows } from '../../batch/batch.ts'
import { compactIfSparse } from '../../batch/compact.ts'
import type { IndexedLane } from '../../index/segment-index.ts'
import { firstRowFrom } from '../../search/match.ts'
import { planSegments, type SegmentPlan } from '../../search/plan.ts'
import { READ_AHEAD, reading } from '../../search/read.ts'
import { createSelection } from '../../search/selection.ts'
import { type Row, uniqueIdOf } from './rows.ts'
import type { IndexView } from './view.ts'
import { type BlockRows, readRowBlocks } from './walk.ts'

/** Ids that are looked for side by side. */
const IDS_AT_ONCE = 8

/** What `findRows` looks for, and where. */
export interface FindRequest {
  readonly ids: readonly string[]
  readonly lanes: readonly IndexedLane[]
  /** Whether each row says when it was committed, which takes a read of the commit. */
  readonly whole: boolean
}

/**
 * The rows of these unique ids, in the order of lanes and positions. An id that names a partition and an offset is read from its block at once; others, and
 * those that are not there, are looked for with the filters of segments.
 */
export async function findRows(view: IndexView, { ids, lanes, whole }: FindRequest, signal?: AbortSignal): Promise<Row[]> {
  const wanted = new Set(ids)
  const near = await rowsIn(
    view,
    await blocksOfPositions(view, wanted, lanes),
    { isWanted: (row) => wanted.has(uniqueIdOf(row)), whole },
    signal,
  )
  const found = new Set(near.map(uniqueIdOf))
  const others = new Set([...wanted].filter((id) => !found.has(id)))
  if (others.size === 0) return near
  const far = await rowsIn(
    view,
    await blocksOfIds(view, others, lanes, signal),
    { isWanted: (row) => others.has(uniqueIdOf(row)), whole },
    signal,
  )
  const order = new Map(lanes.map((lane, at) => [nameOf(lane), at]))
  const laneAt = ({ facts }: Row): number => order.get(nameOf(facts.segment.lane))!
  return [...near, ...far].toSorted((a, b) => laneAt(a) - laneAt(b) || positionAt(a) - positionAt(b))
}

const nameOf = ({ topic, topicId, lane }: Pick<IndexedLane, 'topic' | 'topicId' | 'lane'>): string =>
  JSON.stringify([topic, topicId, lane])
const positionAt = ({ batch, at }: Row): number => batch.positions[at]!

/** Messages that the ids call by lane and position, as blocks that hold them. */
async function blocksOfPositions(
  view: IndexView,
  wanted: ReadonlySet<string>,
  lanes: readonly IndexedLane[],
): Promise<readonly BlockRows[]> {
  const rows: BlockRows[] = []
  for (const lane of lanes) {
    const beginning = `${view.brokerId(lane.topic)}_${lane.lane}_`
    const positions = [...wanted]
      .filter((id) => id.startsWith(beginning) && /^(?:0|[1-9]\d{0,15})$/u.test(id.slice(beginning.length)))
      .map((id) => Number(id.slice(beginning.length)))
    rows.push(...(await blocksOfLane(view, lane, positions)))
  }
  return rows
}

async function blocksOfLane(view: IndexView, lane: IndexedLane, wanted: readonly number[]): Promise<readonly BlockRows[]> {
  const positions = wanted
    .filter((position) => position >= lane.firstPosition && position < lane.nextPosition)
    .toSorted((a, b) => a - b)
  if (positions.length === 0) return []
  const rows: BlockRows[] = []
  const range = { from: positions[0]!, to: positions.at(-1)! + 1 }
  const { topic, topicId } = lane
  for await (const segment of view.archive.index.segments({ topic, topicId, lanes: [lane.lane], positions: range })) {
    const blocks = segment.blocks.filter((block) => isAmong(positions, block.firstPosition, block.lastPosition))
    rows.push(...blockRows(view, lane, { segment, blocks }))
  }
  return rows
}

/** The rows at these places, in the order of lanes and positions. */
export async function rowsAt(
  view: IndexView,
  places: readonly { readonly topic: string; readonly lane: string; readonly position: number }[],
  lanes: readonly IndexedLane[],
): Promise<Row[]> {
  const rows: Row[] = []
  for (const lane of lanes) {
    const wanted = new Set(
      places.filter((place) => place.topic === lane.topic && place.lane === lane.lane).map(({ position }) => position),
    )
    const blocks = await blocksOfLane(view, lane, [...wanted])
    rows.push(...(await rowsIn(view, blocks, { isWanted: (row) => wanted.has(positionAt(row)), whole: false })))
  }
  return rows
}

/** Whether one of the rising positions lies between the two. */
function isAmong(positions: readonly number[], first: number, last: number): boolean {
  let [low, high] = [0, positions.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (positions[middle]! < first) low = middle + 1
    else high = middle
  }
  return low < positions.length && positions[low]! <= last
}

/** Blocks that may hold messages of these ids. */
async function blocksOfIds(
  view: IndexView,
  wanted: ReadonlySet<string>,
  lanes: readonly IndexedLane[],
  signal?: AbortSignal,
): Promise<readonly BlockRows[]> {
  const rows = new Map<string, BlockRows>()
  const topics = new Map(lanes.map((lane) => [lane.topic, `${view.brokerId(lane.topic)}_`]))
  const questions = [...topics].flatMap(([topic, beginning]) =>
    [...wanted].filter((id) => id.startsWith(beginning)).map((id) => ({ topic, id: id.slice(beginning.length) })),
  )
  const waiting = questions.values()
  const work = async (): Promise<void> => {
    for (const question of waiting) {
      const plans = reading(view.archive, signal === undefined ? {} : { signal }, READ_AHEAD, (context) =>
        planSegments(context, view.archive.index, createSelection(question)),
      )
      for await (const plan of plans) {
        const lane = lanes.find((one) => nameOf(one) === nameOf(plan.segment.lane))
        if (lane === undefined) continue
        for (const row of blockRows(view, lane, plan)) rows.set(`${plan.segment.key} ${row.facts.block.offset}`, row)
      }
    }
  }
  await Promise.all(Array.from({ length: IDS_AT_ONCE }, work))
  return [...rows.values()]
}

function blockRows(view: IndexView, lane: IndexedLane, { segment, blocks }: SegmentPlan): BlockRows[] {
  const part = { lane, from: lane.firstPosition, to: lane.nextPosition }
  const shared = {
    segment,
    brokerId: view.brokerId(lane.topic),
    locationKey: view.locationKey(segment.key),
    ingestionMs: undefined,
  }
  let before = 0
  return segment.blocks.flatMap((block) => {
    const facts = { ...shared, block, before }
    before += block.count
    return blocks.includes(block) ? [{ part, facts, isWhole: false, count: undefined }] : []
  })
}

async function rowsIn(
  view: IndexView,
  blocks: readonly BlockRows[],
  { isWanted, whole }: { readonly isWanted: (row: Row) => boolean; readonly whole: boolean },
  signal: AbortSignal = new AbortController().signal,
): Promise<Row[]> {
  const rows: Row[] = []
  for await (const { rows: block, batch } of readRowBlocks(view, blocks, signal)) {
    const known = block.facts
    const ingestionMs = whole ? await view.commitMs(known.segment.commitKey, signal) : undefined
    const wanted: number[] = []
    for (let at = firstRowFrom(batch, block.part.from); at < batch.count && batch.positions[at]! < block.part.to; at++)
      if (isWanted({ facts: known, batch, at })) wanted.push(at)
    if (wanted.length === 0) continue
    // Of a block nothing is kept but what is wanted: ids may lie in as many blocks as there are.
    const kept = compactIfSparse(selectBatchRows(batch, Int32Array.from(wanted)))
    for (const [row, at] of wanted.entries())
      rows.push({ facts: { ...known, ingestionMs, before: known.before + at - row }, batch: kept, at: row })
  }
  return rows
}
